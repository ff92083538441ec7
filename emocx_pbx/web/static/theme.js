// Sets the colours before anything is painted; "auto" follows the system.
(function () {
  "use strict";
  var chosen = null;
  try { chosen = localStorage.getItem("emocx-theme"); } catch (e) { /* storage is forbidden: auto */ }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
