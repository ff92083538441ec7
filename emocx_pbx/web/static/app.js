// Small things every page needs: times in the viewer's zone, the colours' button, errors of htmx, copying.
(function () {
  "use strict";

  // Times: <time datetime="..." data-style="datetime|time|date|ago">, wherever they appear.
  var formats = {
    datetime: new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" }),
    time: new Intl.DateTimeFormat(undefined, { timeStyle: "medium" }),
    date: new Intl.DateTimeFormat(undefined, { dateStyle: "medium" }),
  };
  var relative = new Intl.RelativeTimeFormat(document.documentElement.lang || "en", { numeric: "auto" });
  var steps = [["second", 60], ["minute", 60], ["hour", 24], ["day", 30], ["month", 12], ["year", Infinity]];

  function ago(at) {
    var value = (at - Date.now()) / 1000;
    for (var i = 0; i < steps.length; i++) {
      if (Math.abs(value) < steps[i][1]) return relative.format(Math.round(value), steps[i][0]);
      value /= steps[i][1];
    }
    return "";
  }

  function showTime(element) {
    var at = new Date(element.dateTime);
    if (isNaN(at)) return;
    var style = element.dataset.style;
    var text = style === "ago" ? ago(at) : (formats[style] || formats.datetime).format(at);
    if (element.textContent !== text) element.textContent = text;
    if (!element.title) element.title = formats.datetime.format(at);
  }

  function showTimes(root) {
    if (root.nodeType !== Node.ELEMENT_NODE) return;
    if (root.matches("time[datetime]")) showTime(root);
    root.querySelectorAll("time[datetime]").forEach(showTime);
  }

  showTimes(document.body);
  new MutationObserver(function (changes) {
    changes.forEach(function (change) { change.addedNodes.forEach(showTimes); });
  }).observe(document.body, { childList: true, subtree: true });
  setInterval(function () {
    document.querySelectorAll('time[data-style="ago"]').forEach(showTime);
  }, 15000);

  // Pages that tell of a day need to know when it begins for the viewer.
  var zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = "emocx-zone=" + zone + "; path=/; max-age=31536000; samesite=lax";

  // On a phone the navigations scroll sideways: bring the current entries into view.
  document.querySelectorAll("nav [aria-current]").forEach(function (entry) {
    entry.scrollIntoView({ block: "nearest", inline: "center" });
  });

  // Colours: as the system, light, dark.
  var root = document.documentElement;
  var themeButton = document.getElementById("theme");
  function themeName() { return root.dataset.theme || "auto"; }
  function labelTheme() {
    var name = themeName();
    themeButton.querySelector(".theme-name").textContent = themeButton.dataset[name];
    themeButton.dataset.current = name;
  }
  if (themeButton) {
    labelTheme();
    themeButton.addEventListener("click", function () {
      var next = { auto: "light", light: "dark", dark: "auto" }[themeName()];
      if (next === "auto") delete root.dataset.theme; else root.dataset.theme = next;
      try {
        if (next === "auto") localStorage.removeItem("emocx-theme");
        else localStorage.setItem("emocx-theme", next);
      } catch (e) { /* not remembered then */ }
      labelTheme();
      document.dispatchEvent(new CustomEvent("emocx:theme"));
    });
  }

  // What went wrong in a request of htmx is said in a corner, not swallowed.
  var toast = document.getElementById("toast");
  var hiding;
  function say(text) {
    if (!toast) return;
    toast.textContent = text;
    toast.hidden = false;
    clearTimeout(hiding);
    hiding = setTimeout(function () { toast.hidden = true; }, 8000);
  }
  window.emocxSay = say;
  document.body.addEventListener("htmx:responseError", function (event) {
    var answer = new DOMParser().parseFromString(event.detail.xhr.responseText || "", "text/html");
    say(answer.body.textContent.trim() || toast.dataset.failed);
  });
  document.body.addEventListener("htmx:sendError", function () { say(toast.dataset.offline); });

  // Forms that ask before they act, and buttons that copy.
  document.addEventListener("submit", function (event) {
    var button = event.submitter;
    var question = (button && button.dataset.confirm) || event.target.dataset.confirm;
    if (question && !window.confirm(question)) event.preventDefault();
  });
  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy]");
    if (!button) return;
    var source = document.getElementById(button.dataset.copy);
    navigator.clipboard.writeText(source.value || source.textContent.trim()).then(function () {
      say(toast.dataset.copied);
    });
  });
})();
