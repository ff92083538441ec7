// The page of a call: a cursor over the timeline, contributions that light up their moments, and playing.
"use strict";

(() => {
  const scroll = document.getElementById("lanes-scroll");
  if (!scroll) return;
  const lanes = document.getElementById("lanes");
  let marks = document.getElementById("marks");
  let cursor = document.getElementById("cursor");
  const readout = document.getElementById("readout");
  const player = document.getElementById("player");
  let total = Number(scroll.dataset.total);
  const SVG = "http://www.w3.org/2000/svg";
  let readings = readingsOf(document);
  let at = 0;

  function readingsOf(page) {
    return [...page.querySelectorAll("tr[data-t0]")].map((row) => ({
      row,
      t0: Number(row.dataset.t0),
      t1: Number(row.dataset.t1),
      said: row.dataset.said,
    }));
  }

  function clock(seconds) {
    const s = Math.max(0, Math.floor(seconds));
    const two = (n) => String(n).padStart(2, "0");
    return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
  }

  function readingAt(t) {
    let found = null;
    for (const r of readings) if (r.t0 <= t && t <= r.t1) found = r;
    return found;
  }

  function moveTo(t, { show = false } = {}) {
    at = Math.min(total, Math.max(0, t));
    const x = `${(100 * at) / total}%`;
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    cursor.classList.add("on");
    const reading = readingAt(at);
    const text = reading ? reading.said : clock(at);
    if (readout.textContent !== text) readout.textContent = text;
    scroll.setAttribute("aria-valuenow", String(Math.round(at)));
    scroll.setAttribute("aria-valuetext", text);
    if (show) intoView(at / total);
  }

  function intoView(share) {
    const x = share * lanes.scrollWidth;
    const { scrollLeft, clientWidth } = scroll;
    if (x < scrollLeft + 40 || x > scrollLeft + clientWidth - 40) scroll.scrollLeft = x - clientWidth / 2;
  }

  const timeOf = (event) => {
    const box = lanes.getBoundingClientRect();
    return (total * (event.clientX - box.left)) / box.width;
  };
  lanes.addEventListener("pointermove", (event) => moveTo(timeOf(event)));
  lanes.addEventListener("click", (event) => {
    moveTo(timeOf(event));
    play(at);
  });

  /** Arrows go from reading to reading, or by 5 s where there is none. */
  scroll.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (step) {
      const middle = (r) => (r.t0 + r.t1) / 2;
      const next = step > 0 ? readings.find((r) => middle(r) > at + 0.05) : readings.findLast((r) => middle(r) < at - 0.05);
      moveTo(next ? middle(next) : at + 5 * step, { show: true });
    } else if (event.key === "Home") moveTo(0, { show: true });
    else if (event.key === "End") moveTo(total, { show: true });
    else if (event.key === "Enter" || event.key === " ") play(at);
    else return;
    event.preventDefault();
  });

  // Zoom.

  const zooms = document.querySelectorAll("[data-zoom]");
  for (const button of zooms) {
    button.addEventListener("click", () => {
      const middle = (scroll.scrollLeft + scroll.clientWidth / 2) / lanes.scrollWidth;
      lanes.style.width = `${100 * Number(button.dataset.zoom)}%`;
      scroll.scrollLeft = middle * lanes.scrollWidth - scroll.clientWidth / 2;
      for (const other of zooms) other.setAttribute("aria-pressed", String(other === button));
    });
  }

  // Contributions and alerts: each lights up its moments; the same again puts them out.

  const sources = document.querySelectorAll("[data-marks]");
  for (const button of sources) {
    button.addEventListener("click", () => {
      const lit = button.getAttribute("aria-pressed") !== "true";
      for (const other of sources) other.setAttribute("aria-pressed", String(other === button && lit));
      light(lit ? button : null);
    });
  }

  function light(button) {
    marks.replaceChildren();
    lanes.classList.toggle("lit", !!button);
    for (const { row } of readings) row.classList.remove("lit");
    if (!button) {
      readout.textContent = "";
      return;
    }
    for (const mark of button.dataset.marks.split(",")) {
      const [x, width] = mark.split(":");
      const rect = document.createElementNS(SVG, "rect");
      rect.setAttribute("class", "mark");
      rect.setAttribute("x", `${x}%`);
      rect.style.width = `max(${width}%, 2px)`;
      rect.setAttribute("height", "100%");
      marks.append(rect);
    }
    const chosen = new Set((button.dataset.readings || "").split(",").filter(Boolean));
    for (const id of chosen) document.getElementById(`reading-${id}`)?.classList.add("lit");
    readout.textContent = button.dataset.said;
    readout.setAttribute("aria-live", "polite");
    const begin = Number(button.dataset.at);
    at = begin;
    intoView(begin / total);
    const behaviour = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
    scroll.closest(".timeline").scrollIntoView({ block: "nearest", behavior: behaviour });
    if (player && player.paused) player.currentTime = Math.max(0, begin - Number(player.dataset.begins));
  }

  // Playing.

  function play(t) {
    if (!player) return;
    player.currentTime = Math.max(0, t - Number(player.dataset.begins));
    player.play().catch(() => {});
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-seek]");
    if (!button) return;
    const t = Number(button.dataset.seek);
    moveTo(t, { show: true });
    scroll.closest(".timeline").scrollIntoView({ block: "nearest" });
    play(t);
  });
  player?.addEventListener("timeupdate", () => {
    if (!player.paused) moveTo(player.currentTime + Number(player.dataset.begins), { show: true });
  });

  // A call that goes on is drawn again every few seconds; when it is over, the whole page is.

  /** Between two looks at a call that goes on. */
  const LOOK_MS = 4000;

  async function look() {
    // Nothing is taken away from under somebody who corrects a reading.
    if (document.hidden || document.querySelector(".form-row")) return;
    let page;
    try {
      const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
      if (!answer.ok || answer.redirected) return;
      page = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch {
      return; // away: the next look tells
    }
    const fresh = page.getElementById("lanes-scroll");
    if (!fresh) return;
    if (!fresh.dataset.open) {
      const typing = [...document.querySelectorAll("textarea, input[type=number]")].some((field) => field.value);
      if (!typing) location.reload();
      return;
    }
    total = Number(fresh.dataset.total);
    scroll.setAttribute("aria-valuemax", fresh.getAttribute("aria-valuemax"));
    lanes.replaceChildren(...page.getElementById("lanes").childNodes);
    document.getElementById("timeline-summary").textContent = page.getElementById("timeline-summary").textContent;
    document.querySelector("#readings .count").textContent = page.querySelector("#readings .count").textContent;
    const body = document.querySelector("#readings tbody");
    const rows = page.querySelector("#readings tbody");
    if (body && rows) {
      body.replaceChildren(...rows.childNodes);
      window.htmx?.process(body);
    } else if (rows) {
      location.reload(); // the first readings: the table is not there yet
      return;
    }
    marks = document.getElementById("marks");
    cursor = document.getElementById("cursor");
    readings = readingsOf(document);
    for (const button of document.querySelectorAll("[data-marks]")) button.setAttribute("aria-pressed", "false");
  }
  if (scroll.dataset.open) setInterval(look, LOOK_MS);

  // A link to a reading opens the table that holds it.
  if (location.hash.startsWith("#reading-")) {
    document.getElementById("readings").open = true;
    document.querySelector(location.hash)?.scrollIntoView({ block: "center" });
  }
})();
