// The live view: the feed's changes go into a map at once and onto the screen in batches, one layout each.
// Rows out of sight wait until they are seen, or for some seconds.
"use strict";

(() => {
  const page = document.getElementById("live");
  if (!page) return;
  const words = { ...page.dataset, states: JSON.parse(page.dataset.states) };
  const $ = (id) => document.getElementById(id);
  const lists = { waiting: $("waiting"), talking: $("talking") };
  const rowTemplate = $("live-row");
  const endedTemplate = $("ended-row");
  const alertTemplate = $("alert-row");
  const status = $("connection");

  /** Readings drawn in a row's chart. */
  const SLOTS = 40;
  /** Without any sign of life for so long the connection counts as lost; the feed sends one every 5 s. */
  const SILENCE_MS = 13000;
  const RECENT = 20;
  /** Readings are drawn so often at most; calls that come and go, and alerts, at the next frame. */
  const BATCH_MS = 150;
  /** Of rows out of sight so many are brought up to date in each batch: a screen reader may be at them. */
  const UNSEEN = 6;
  const ALERTS = 6;

  const calls = new Map();
  const rows = new Map();
  let recent = [];
  const dirty = new Set();
  let membersChanged = true;
  let recentChanged = true;
  let drawing = 0;
  let waiting = 0;
  const inSight = new Set();
  let clockOffset = 0;
  let queueChosen = "";

  const now = () => Date.now() / 1000 + clockOffset;

  // What the feed says.

  const handlers = {
    snapshot(data) {
      clockOffset = data.now - Date.now() / 1000;
      calls.clear();
      for (const call of data.calls) calls.set(call.call_id, call);
      recent = data.recent;
      for (const id of [...rows.keys(), ...calls.keys()]) dirty.add(id);
      membersChanged = recentChanged = true;
    },
    call(data) {
      calls.set(data.call_id, data);
      dirty.add(data.call_id);
      membersChanged = true;
    },
    changed(data) {
      const call = calls.get(data.call_id);
      if (!call) return;
      calls.set(data.call_id, { ...call, ...data.fields });
      dirty.add(data.call_id);
      membersChanged = true;
    },
    reading(data) {
      const call = calls.get(data.call_id);
      if (!call) return;
      call.emotion = data.emotion;
      call.confidence = data.confidence;
      call.valence = data.valence;
      // Words heard since give the newest point again.
      const before = call.course.at(-1)?.[0] === data.point[0] ? call.course.slice(0, -1) : call.course;
      call.course = [...before, data.point].slice(-SLOTS);
      dirty.add(data.call_id);
    },
    alert(data) {
      const call = calls.get(data.call_id);
      if (!call) return;
      // Told again when its episode is over.
      const same = (a) => a.rule === data.alert.rule && a.at === data.alert.at;
      if (!call.alerts.some(same)) announce(`${words.alertSaid}: ${data.alert.message} ${call.agent || ""}`);
      call.alerts = [...call.alerts.filter((a) => !same(a)), data.alert];
      dirty.add(data.call_id);
      membersChanged = true;
    },
    graded(data) {
      for (const call of [calls.get(data.call_id), recent.find((c) => c.call_id === data.call_id)]) {
        if (!call) continue;
        call.grades = [...call.grades.filter((g) => g.segment !== data.grade.segment), data.grade];
        call.grades.sort((a, b) => a.segment - b.segment);
      }
      recentChanged = true;
    },
    ended(data) {
      calls.delete(data.call_id);
      recent = [data, ...recent.filter((c) => c.call_id !== data.call_id)].slice(0, RECENT);
      dirty.add(data.call_id);
      membersChanged = recentChanged = true;
    },
    gone(data) {
      calls.delete(data.call_id);
      dirty.add(data.call_id);
      membersChanged = true;
    },
    alive() {},
  };

  function announce(text) {
    $("announcer").textContent = text;
  }

  function draw() {
    drawing = 0;
    const t = now();
    let unseen = UNSEEN;
    for (const id of dirty) {
      if (calls.has(id) && rows.has(id) && !inSight.has(id) && unseen-- <= 0) continue;
      dirty.delete(id);
      drawCall(id, t);
    }
    if (membersChanged) {
      arrange();
      drawAlerts(t);
    }
    if (recentChanged) drawRecent();
    drawTiles(t);
    membersChanged = recentChanged = false;
  }

  function soon() {
    waiting = 0;
    if (!drawing) drawing = requestAnimationFrame(draw);
  }

  function schedule() {
    if (membersChanged || recentChanged) soon();
    else if (!waiting && !drawing) waiting = setTimeout(soon, BATCH_MS);
  }

  const sight = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const id = target.dataset.call;
        if (isIntersecting) inSight.add(id);
        else inSight.delete(id);
      }
      schedule();
    },
    { rootMargin: "200px" },
  );

  // Rows.

  function listOf(call) {
    return call.state === "waiting" || call.state === "routing" ? lists.waiting : lists.talking;
  }

  /** The newest alert whose episode goes on. */
  function alertOf(call) {
    return call.alerts.findLast((a) => a.over_at == null) || null;
  }

  function drawCall(id, t) {
    const call = calls.get(id);
    let row = rows.get(id);
    if (!call) {
      if (row) {
        sight.unobserve(row.element);
        row.element.remove();
      }
      rows.delete(id);
      inSight.delete(id);
      return;
    }
    if (!row) rows.set(id, (row = newRow(id)));
    const put = row.put;
    put("queue", call.queue || words.none);
    put("agent", call.agent || "");
    put("state", call.state === "talking" ? "" : words.states[call.state] || call.state);
    put("customer", call.customer || "");
    chipInto(row.refs.arrived, call.arrived_as);
    put("language", call.language || "");
    chipInto(row.refs.now, call.emotion || (call.opted_out ? "optout" : null));
    put("confidence", call.emotion && call.emotion !== "uncertain" ? `${Math.round(call.confidence * 100)} %` : "");
    const alert = alertOf(call);
    row.element.classList.toggle("has-alert", !!alert);
    put("alert", alert ? alert.message : "");
    row.refs.alert.parentElement.hidden = !alert;
    if (row.course !== call.course) drawCourse(row, call);
    tick(row, call, t);
  }

  function newRow(id) {
    const element = rowTemplate.content.firstElementChild.cloneNode(true);
    element.dataset.call = id;
    const refs = {};
    for (const node of element.querySelectorAll("[data-put]")) refs[node.dataset.put] = node;
    for (const node of element.querySelectorAll("[data-path]")) refs[`path-${node.dataset.path}`] = node;
    sight.observe(element);
    refs.link.href = `/calls/${encodeURIComponent(id)}`;
    const shown = {};
    const put = (name, text) => {
      if (shown[name] === text) return;
      shown[name] = text;
      refs[name].textContent = text;
    };
    return { element, refs, put, course: null };
  }

  /** The chip of an emotion: its shape and its word, as the page's templates have them. */
  function chipInto(node, emotion) {
    const key = emotion && $(`chip-${emotion}`) ? emotion : "none";
    if (node.dataset.emotion === key) return;
    node.dataset.emotion = key;
    node.replaceChildren($(`chip-${key}`).content.cloneNode(true));
  }

  /** Bars up for happy, down for angry and disappointed; the newest at the right. */
  function drawCourse(row, call) {
    row.course = call.course;
    const first = SLOTS - call.course.length;
    const d = { happy: "", angry: "", disappointed: "" };
    call.course.forEach(([, angry, , disappointed, happy], i) => {
      const x = first + i + 0.1;
      if (happy >= 0.02) d.happy += `M${x} 10h.8v${(-10 * happy).toFixed(2)}h-.8z`;
      if (angry >= 0.02) d.angry += `M${x} 10h.8v${(10 * angry).toFixed(2)}h-.8z`;
      if (disappointed >= 0.02) {
        d.disappointed += `M${x} ${(10 + 10 * angry).toFixed(2)}h.8v${(10 * disappointed).toFixed(2)}h-.8z`;
      }
    });
    for (const name of Object.keys(d)) row.refs[`path-${name}`].setAttribute("d", d[name]);
    row.put("trend", trendText(call.course));
  }

  function trendText(course) {
    if (course.length < 6) return "";
    const level = ([, a, , d, h]) => h - a - 0.7 * d;
    const mean = (points) => points.reduce((sum, p) => sum + level(p), 0) / points.length;
    const change = mean(course.slice(-3)) - mean(course.slice(-10, -3));
    return change > 0.25 ? words.better : change < -0.25 ? words.worse : words.steady;
  }

  function tick(row, call, t) {
    // Talk time goes on through a hold; while one lasts, it is what the state's word names.
    const begin = call.state === "talking" && call.answered_at ? call.answered_at : call.since;
    row.put("duration", clock(t - begin));
  }

  function clock(seconds) {
    const s = Math.max(0, Math.floor(seconds));
    const two = (n) => String(n).padStart(2, "0");
    return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
  }

  /** Rows into their lists: alerts on top, then who has been there longest; only what moved is moved. */
  function arrange() {
    const wanted = { waiting: [], talking: [] };
    const queues = new Set();
    for (const call of calls.values()) {
      if (call.queue) queues.add(call.queue);
      const hidden = queueChosen !== "" && call.queue !== queueChosen;
      rows.get(call.call_id).element.hidden = hidden;
      const alert = alertOf(call);
      wanted[listOf(call) === lists.waiting ? "waiting" : "talking"].push([alert ? -alert.at : 0, call.started_at, call.call_id]);
    }
    for (const [name, keys] of Object.entries(wanted)) {
      keys.sort((a, b) => a[0] - b[0] || a[1] - b[1] || (a[2] < b[2] ? -1 : 1));
      let at = lists[name].firstElementChild;
      let shown = 0;
      for (const [, , id] of keys) {
        const { element } = rows.get(id);
        if (!element.hidden) shown += 1;
        if (element === at) at = at.nextElementSibling;
        else lists[name].insertBefore(element, at);
      }
      $(`${name}-empty`).hidden = shown > 0;
      $(`${name}-table`).hidden = shown === 0;
      $(`${name}-count`).textContent = String(shown);
    }
    fillQueues(queues);
  }

  function fillQueues(queues) {
    const select = $("queue-filter");
    const known = new Set([...select.options].map((o) => o.value));
    for (const queue of [...queues].sort()) {
      if (!known.has(queue)) select.add(new Option(queue, queue));
    }
  }

  function drawAlerts(t) {
    const current = [];
    for (const call of calls.values()) {
      const alert = alertOf(call);
      if (alert) current.push({ ...alert, call_id: call.call_id, agent: call.agent });
    }
    current.sort((a, b) => b.at - a.at);
    $("alerts").replaceChildren(
      ...current.slice(0, ALERTS).map((a) => {
        const item = alertTemplate.content.firstElementChild.cloneNode(true);
        item.querySelector("[data-put=message]").textContent = a.message;
        item.querySelector("[data-put=agent]").textContent = a.agent || "";
        item.querySelector("[data-put=ago]").textContent = clock(t - a.at);
        item.querySelector("[data-put=ago]").dataset.at = String(a.at);
        item.querySelector("a").href = `/calls/${encodeURIComponent(a.call_id)}`;
        return item;
      }),
    );
    $("alerts-box").hidden = current.length === 0;
  }

  function drawRecent() {
    $("recent").replaceChildren(
      ...recent.map((call) => {
        const item = endedTemplate.content.firstElementChild.cloneNode(true);
        const put = (name, text) => (item.querySelector(`[data-put=${name}]`).textContent = text);
        item.dataset.call = call.call_id;
        item.querySelector("a").href = `/calls/${encodeURIComponent(call.call_id)}`;
        put("at", new Date(call.ended_at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" }));
        put("queue", call.queue || words.none);
        put("agent", call.agent || "");
        for (const [name, value] of [["arrived", call.arrived_as], ["left", call.emotion]]) {
          chipInto(item.querySelector(`[data-put=${name}]`), value);
        }
        const letters = call.grades.map((g) => g.letter || words.noGrade).join(", ");
        put("grade", call.reason === "abandoned" ? words.abandoned : letters || words.pending);
        return item;
      }),
    );
    $("recent-empty").hidden = recent.length > 0;
    $("recent-table").hidden = recent.length === 0;
  }

  function drawTiles(t) {
    let waiting = 0, longest = 0, talking = 0, upset = 0;
    for (const call of calls.values()) {
      if (queueChosen !== "" && call.queue !== queueChosen) continue;
      if (call.state === "waiting" || call.state === "routing") {
        waiting += 1;
        longest = Math.max(longest, t - call.since);
      } else {
        talking += 1;
        if (call.emotion === "angry" || call.emotion === "disappointed") upset += 1;
      }
    }
    const put = (id, text) => {
      const node = $(id);
      if (node.textContent !== text) node.textContent = text;
    };
    put("tile-waiting", String(waiting));
    put("tile-longest", waiting ? clock(longest) : "–");
    put("tile-talking", String(talking));
    put("tile-upset", String(upset));
  }

  // Time goes on, but not while nothing is known.

  setInterval(() => {
    if (page.classList.contains("stale")) return;
    const t = now();
    for (const id of inSight) {
      const [row, call] = [rows.get(id), calls.get(id)];
      if (row && call) tick(row, call, t);
    }
    for (const node of document.querySelectorAll("#alerts [data-at]")) node.textContent = clock(t - Number(node.dataset.at));
    schedule();
  }, 1000);

  $("queue-filter").addEventListener("change", (event) => {
    queueChosen = event.target.value;
    membersChanged = true;
    schedule();
  });

  // The connection.

  let source = null;
  let lastId = "";
  let heardAt = Date.now();
  let again = 0;
  let tries = 0;

  function connect() {
    again = 0;
    heardAt = Date.now();
    const resume = lastId ? `?last_event_id=${encodeURIComponent(lastId)}` : "";
    source = new EventSource(`/api/v1/live/events${resume}`);
    source.addEventListener("open", () => connected(true));
    source.addEventListener("error", lost);
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => {
        heardAt = Date.now();
        if (event.lastEventId) lastId = event.lastEventId;
        connected(true);
        handle(event.data ? JSON.parse(event.data) : null);
        schedule();
      });
    }
  }

  function connected(up) {
    if (up) tries = 0;
    const shown = up ? "up" : "down";
    if (status.dataset.state === shown) return;
    status.dataset.state = shown;
    page.classList.toggle("stale", !up);
    const time = new Date().toLocaleTimeString();
    status.textContent = up ? words.connected : `${words.lost} ${time}. ${words.trying}`;
  }

  /** The browser comes again by itself after a break, but not after a refusal. */
  function lost() {
    connected(false);
    if (source.readyState !== EventSource.CLOSED || again) return;
    again = setTimeout(reconnect, Math.min(15000, 1000 * 2 ** Math.min(tries++, 4)));
  }

  async function reconnect() {
    try {
      const answer = await fetch("/api/v1/live", { headers: { Accept: "application/json" } });
      if (answer.status === 401 || answer.status === 403) {
        status.textContent = words.loggedOut;
        return;
      }
    } catch {
      // Still away: the next try tells.
    }
    connect();
  }

  setInterval(() => {
    if (again || Date.now() - heardAt < SILENCE_MS) return;
    source.close();
    connected(false);
    again = setTimeout(reconnect, 1000);
  }, 1000);

  window.addEventListener("pagehide", () => source && source.close());
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) connect();
  });

  connect();
})();
