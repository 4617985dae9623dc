/* The pages of a search: the chart, the table's sorting and filtering. No network, no storage, no eval. */
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("chart-data").textContent);
  const $ = (id) => document.getElementById(id);
  const kindOf = (p) => (p.kind === "candidate" ? p.screening : p.kind);
  const words = { meets: "meets", undetermined: "undetermined", fails: "fails", stopped: "stopped early", skipped: "skipped, not trained", refused: "refused, not trained", broken: "broken", unscreened: "not screened", control: "controls", teacher: "teacher" };
  const shapes = { meets: d3.symbolCircle, undetermined: d3.symbolDiamond2, fails: d3.symbolTimes, stopped: d3.symbolTriangle2, skipped: d3.symbolSquare2, refused: d3.symbolPlus, broken: d3.symbolAsterisk, unscreened: d3.symbolCircle, control: d3.symbolSquare, teacher: d3.symbolStar };
  const symbol = (kind, size) => d3.symbol(shapes[kind], size)();
  const add = (parent, tag, attributes = {}, text) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    parent.appendChild(made);
    return made;
  };

  /* ---- filters ---- */
  const hidden = { screening: new Set(), family: new Set() };
  const choices = (box, which, names, label, key) => {
    for (const name of names) {
      const wrap = add(box, "label");
      const tick = add(wrap, "input", { type: "checkbox", value: name });
      tick.checked = true;
      if (key) d3.select(wrap).append("svg").attr("class", `key ${name}`).attr("viewBox", "-8 -8 16 16").attr("aria-hidden", "true").append("path").attr("d", symbol(name, 60));
      add(wrap, "span", {}, label(name));
      tick.addEventListener("change", () => { hidden[which][tick.checked ? "delete" : "add"](name); draw(); });
    }
  };
  const kinds = Object.keys(words).filter((kind) => data.points.some((p) => kindOf(p) === kind));
  const families = [...new Set(data.points.map((p) => p.family).filter(Boolean))].sort();
  const visible = (p) => !hidden.screening.has(kindOf(p)) && !(p.family && hidden.family.has(p.family));

  /* ---- chart ---- */
  const svg = d3.select("#plot"), tip = $("tip");
  let current = null;

  /** A control far above every student (a majority class), or one that was stopped early, would flatten the rest: it is drawn at the edge. */
  const loose = (p) => p.kind === "control" || p.screening === "stopped";
  function inSight(points) {
    const core = points.filter((p) => p.error !== null && !loose(p));
    if (core.length < 3) return points;
    const [low, high] = d3.extent(core, (p) => p.error);
    return points.filter((p) => !loose(p) || p.error <= high + Math.max(0.6 * (high - low), 0.01));
  }

  function scales(points, axis, size, margin) {
    const near = inSight(points), xs = near.map((p) => p.x[axis.key].at), log = $("log").checked && d3.min(points, (p) => p.x[axis.key].at) > 0;
    const span = d3.extent(xs), pad = log ? Math.pow(span[1] / span[0], 0.06) || 1.1 : (span[1] - span[0]) * 0.06 || 1;
    const x = (log ? d3.scaleLog() : d3.scaleLinear()).clamp(true).range([margin.left, size.width - margin.right]);
    x.domain(log ? [span[0] / Math.max(pad, 1.08), span[1] * Math.max(pad, 1.08)] : [Math.min(0, span[0]), span[1] + pad]);
    const ys = near.filter((p) => p.error !== null).map((p) => data.error.by * p.error);
    const low = d3.min(ys) ?? 0, high = d3.max(ys) ?? 1, gap = (high - low) * 0.07 || 0.5;
    return { x, log, y: d3.scaleLinear([Math.max(0, low - gap), high + gap], [size.height - margin.bottom, margin.top]).clamp(true), near: new Set(near) };
  }

  /** The non-dominated part, on these two axes, of the run's own front: corners of a staircase. */
  function staircase(points, at, up) {
    const steps = [];
    for (const p of d3.sort(points.filter((q) => q.front && q.error !== null), at, (q) => q.error)) {
      if (!steps.length || p.error < steps[steps.length - 1].error) steps.push(p);
    }
    return d3.line(at, up).curve(d3.curveStepAfter)(steps);
  }

  function axesAndTitles(s, axis, size, margin) {
    const ticks = Math.max(3, Math.floor((size.width - margin.left) / 80));
    const bottom = d3.axisBottom(s.x).tickSizeOuter(0).tickSizeInner(-(size.height - margin.top - margin.bottom)).tickPadding(8);
    if (s.log) {
      const [a, b] = s.x.domain(), all = s.x.ticks();
      const lead = (v, of) => of.includes(Math.round(v / Math.pow(10, Math.floor(Math.log10(v) + 1e-9))));
      const marks = [all, all.filter((v) => lead(v, [1, 2, 5])), all.filter((v) => lead(v, [1]))].find((m) => m.length <= ticks + 1) ?? all.filter((v, i) => i % Math.ceil(all.length / ticks) === 0);
      bottom.tickValues(b / a < 10 ? d3.ticks(a, b, ticks) : marks).tickFormat((v) => d3.format(",~g")(+v.toPrecision(3)).replace("−", "−"));
    } else bottom.ticks(ticks);
    svg.append("g").attr("aria-hidden", "true").attr("transform", `translate(0,${size.height - margin.bottom})`).call(bottom);
    svg.append("g").attr("aria-hidden", "true").attr("transform", `translate(${margin.left},0)`).call(d3.axisLeft(s.y).ticks(6).tickSizeOuter(0).tickSizeInner(-(size.width - margin.left - margin.right)).tickPadding(8).tickFormat((v) => `${+v.toPrecision(6)}${data.error.unit === "%" ? "\u202f%" : ""}`));
    svg.append("text").attr("class", "title").attr("x", size.width - margin.right).attr("y", size.height - 6).attr("text-anchor", "end").text(`${axis.label}${axis.unit ? `, ${axis.unit}` : ""} →`);
    svg.append("text").attr("class", "title").attr("x", 0).attr("y", 12).text(`↑ ${data.error.title}, search split${data.error.unit === "%" ? "" : `, ${data.error.unit}`}`);
  }

  function draw() {
    const axis = data.axes.find((a) => a.key === $("axis").value);
    const known = data.points.filter((p) => p.x[axis.key].at !== null && (p.error !== null || ["refused", "skipped"].includes(p.screening)));
    const shown = known.filter(visible), size = { width: svg.node().clientWidth, height: svg.node().clientHeight };
    const untrained = known.some((p) => p.error === null);
    const margin = { top: untrained ? 58 : 30, right: 16, bottom: 46, left: 50 };
    svg.attr("viewBox", `0 0 ${size.width} ${size.height}`).selectAll("*").remove();
    tip.hidden = true;
    if (!known.length) { $("chart-note").textContent = "No candidate, control or teacher has both an error and this reading."; return; }
    const s = scales(known, axis, size, margin), at = (p) => s.x(p.x[axis.key].at);
    const up = (p) => (p.error === null ? margin.top - 18 : s.y(data.error.by * p.error));
    axesAndTitles(s, axis, size, margin);
    if (untrained) {
      svg.append("rect").attr("class", "strip").attr("x", margin.left).attr("y", margin.top - 30).attr("width", size.width - margin.left - margin.right).attr("height", 24);
      svg.append("text").attr("x", size.width - margin.right).attr("y", 12).attr("text-anchor", "end").text("grey strip: not trained");
    }
    svg.append("path").attr("class", "line").attr("d", staircase(shown, at, up));
    const order = ["stopped", "skipped", "refused", "broken", "unscreened", "fails", "undetermined", "meets", "control", "teacher"];
    const sorted = d3.sort(shown, (p) => order.indexOf(kindOf(p)) + (p.role === "certified" ? 20 : 0));
    const dots = svg.append("g").selectAll("g").data(sorted).join("g")
      .attr("class", (p) => `point ${kindOf(p)}`).attr("transform", (p) => `translate(${at(p)},${up(p)})`)
      .attr("role", "img").attr("tabindex", -1).attr("aria-label", (p) => described(p, axis).join(". "));
    dots.append("circle").attr("class", "hit").attr("r", 11);
    dots.append("circle").attr("class", "halo").attr("r", 9);
    dots.filter((p) => p.kind === "candidate" && !p.front && !p.role).attr("opacity", (p) => (p.screening === "stopped" ? 0.35 : 0.5));
    dots.filter((p) => p.role === "certified" || p.role === "finalist").append("circle").attr("class", "ring").attr("r", 10);
    dots.append("path").attr("d", (p) => symbol(kindOf(p), p.kind === "teacher" ? 150 : p.kind === "control" ? 62 : 46));
    label(sorted, at, up, size, s.near);
    walk(dots, sorted, at, up, axis);
    const above = shown.filter((p) => p.screening === "stopped" && !s.near.has(p)).length;
    const front = shown.filter((p) => p.front).length, ringed = shown.find((p) => p.role === "certified" || p.role === "finalist");
    const strong = front ? `Strong points: the search's front over all its objectives (${front}); faint ones are dominated. The line joins what is non-dominated on these two axes.` : "No student shown is on the search's front over all its objectives.";
    $("chart-note").textContent = `${shown.length} of ${known.length} shown. ${strong}${ringed ? ` Ringed: the ${ringed.role === "certified" ? "certified student" : "finalist, not certified"}.` : ""}${above ? ` At the upper edge: ${above} stopped early, off the scale.` : ""}`;
  }

  /** Names of what a reader looks for; a name that would lie on another is moved or left out. */
  function label(points, at, up, size, near) {
    const around = (p, r) => [at(p) - r, up(p) - r, at(p) + r, up(p) + r], dots = points.filter((p) => p.kind === "candidate").map((p) => around(p, 5));
    const taken = points.filter((p) => p.kind !== "candidate").map((p) => around(p, 7));
    const apart = (a, b) => a[0] >= b[2] || a[2] <= b[0] || a[1] >= b[3] || a[3] <= b[1];
    for (const p of d3.sort(points.filter((q) => q.kind !== "candidate" || q.role === "certified" || q.role === "finalist"), (q) => (q.kind === "candidate" ? 0 : q.kind === "teacher" ? 1 : 2))) {
      let text = p.kind === "candidate" ? p.role : p.kind === "teacher" ? "teacher" : p.label;
      if (text.length > 26) text = text.slice(0, 25) + "…";
      if (!near.has(p)) text += `: ${d3.format(`.${data.error.places}f`)(data.error.by * p.error)}\u202f${data.error.unit}, off the scale`;
      const width = text.length * 6.4, x = at(p), y = up(p);
      const places = [[x + 13, y + 4, "start"], [x - 13, y + 4, "end"], [x + 6, y - 13, "start"], [x + 6, y + 20, "start"]];
      for (const [px, py, anchor] of places) {
        const left = anchor === "end" ? px - width : px, box = [left, py - 11, left + width, py + 3];
        const inside = box[0] > 50 && box[2] < size.width, free = taken.every((t) => apart(box, t));
        if (!(inside && free && (p.kind !== "control" || dots.every((d) => apart(box, d))))) continue;
        taken.push(box);
        svg.append("text").attr("class", "name").attr("aria-hidden", "true").attr("x", px).attr("y", py).attr("text-anchor", anchor).text(text);
        break;
      }
    }
  }

  const described = (p, axis) => [p.kind === "candidate" ? `${p.label}: ${p.name}` : p.label, p.kind === "candidate" ? data.screening[p.screening] : p.kind, `Error ${p.error_text}`, `${axis.label} ${p.x[axis.key].text}`];

  function show(p, x, y) {
    tip.replaceChildren();
    add(tip, "strong", {}, p.kind === "candidate" ? `${p.label} ${p.role ? `(${p.role}) ` : ""}${p.name}` : p.label);
    add(tip, "p", { class: `screening` }, p.kind === "candidate" ? data.screening[p.screening] : p.kind);
    add(tip, "p", {}, `Error: ${p.error_text}`);
    for (const axis of data.axes.slice(0, 4)) add(tip, "p", {}, `${axis.label}: ${p.x[axis.key].text}`);
    if (p.settings.length) add(tip, "p", { class: "how muted" }, p.settings.join(" · "));
    if (p.why) add(tip, "p", { class: "how" }, p.why.length > 260 ? p.why.slice(0, 259) + "…" : p.why);
    tip.hidden = false;
    const stage = tip.parentElement.getBoundingClientRect(), box = tip.getBoundingClientRect();
    const left = x + 16 + box.width < stage.width ? x + 16 : Math.max(0, x - 16 - box.width);
    tip.style.left = `${Math.max(0, Math.min(left, stage.width - box.width))}px`;
    tip.style.top = `${Math.max(0, Math.min(y + 14, stage.height - box.height))}px`;
  }

  /** One tab stop for the whole chart; arrows walk from left to right; Enter opens the row; Escape closes the tip. */
  function walk(dots, points, at, up, axis) {
    const nodes = dots.nodes(), order = d3.sort(d3.range(points.length), (i) => at(points[i]), (i) => up(points[i]));
    const first = Math.max(0, points.findIndex((p) => p === current || p.role === "certified"));
    if (nodes[first]) nodes[first].setAttribute("tabindex", 0);
    dots.on("pointerenter", (event, p) => { show(p, at(p), up(p)); d3.select(event.currentTarget).classed("on", true); })
      .on("pointerleave", (event) => { if (document.activeElement !== event.currentTarget) tip.hidden = true; d3.select(event.currentTarget).classed("on", false); })
      .on("focus", (event, p) => { current = p; nodes.forEach((n) => n.setAttribute("tabindex", n === event.currentTarget ? 0 : -1)); show(p, at(p), up(p)); })
      .on("blur", () => { tip.hidden = true; })
      .on("click", (event, p) => event.currentTarget.focus())
      .on("dblclick", (event, p) => toRow(p))
      .on("keydown", (event, p) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (step) {
          const here = order.indexOf(nodes.indexOf(event.currentTarget));
          nodes[order[(here + step + order.length) % order.length]].focus({ preventScroll: true });
          event.preventDefault();
        } else if (event.key === "Enter") {
          event.preventDefault(); // else the same key closes what it opened
          toRow(p);
        }
        else if (event.key === "Escape") tip.hidden = true;
      });
  }

  function toRow(p) {
    const index = data.points.indexOf(p), row = $(`candidate-${index}`);
    if (p.kind !== "candidate" || !row) return;
    document.querySelectorAll("tr.found").forEach((r) => r.classList.remove("found"));
    row.hidden = false;
    row.classList.add("found");
    row.querySelector("details").open = true;
    row.scrollIntoView({ block: "center" });
    row.querySelector("summary").focus({ preventScroll: true });
  }

  if (data.axes.length && data.points.length) {
    $("chart").hidden = false;
    for (const axis of data.axes) add($("axis"), "option", { value: axis.key }, axis.label);
    choices($("by-screening"), "screening", kinds, (name) => words[name], true);
    choices($("by-family"), "family", families, (name) => name, false);
    $("by-family").hidden = families.length < 2;
    $("axis").addEventListener("change", draw);
    $("log").addEventListener("change", draw);
    let width = 0;
    new ResizeObserver(() => { if (![0, width].includes(svg.node().clientWidth)) { width = svg.node().clientWidth; draw(); } }).observe(svg.node());
  } else {
    add($("front"), "p", { class: "quiet" }, "There is nothing to draw: no candidate, control or teacher has a reading.");
  }

  /* ---- the table of candidates ---- */
  const table = $("candidate-table");
  if (table) {
    $("table-controls").hidden = false;
    const body = table.tBodies[0], rows = [...body.rows];
    const filter = () => {
      const text = $("find").value.trim().toLowerCase(), which = $("which").value;
      let found = 0;
      for (const row of rows) {
        const kind = which === "" || (which === "front" ? row.dataset.front === "1" : row.dataset.screening === which);
        row.hidden = !(kind && row.textContent.toLowerCase().includes(text));
        found += row.hidden ? 0 : 1;
      }
      $("found").textContent = `${found} of ${rows.length}`;
    };
    $("find").addEventListener("input", filter);
    $("which").addEventListener("change", filter);
    filter();
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent;
        const number = (text) => (text.trim() === "" ? NaN : Number(text));
        const compare = (a, b) => {
          const [s, t] = [key(a), key(b)], [m, n] = [number(s), number(t)];
          if ((s === "") !== (t === "")) return s === "" ? 1 : -1; // what is absent stays last
          return (up ? 1 : -1) * (Number.isNaN(m) || Number.isNaN(n) ? s.localeCompare(t) : m - n);
        };
        body.append(...rows.sort(compare));
      });
    });
  }
})();
