/* Small repairs of the theme that need the finished page. */
addEventListener("DOMContentLoaded", () => {
  // wide blocks scroll by keyboard too, once they really overflow
  const reach = () => document.querySelectorAll(".bd-content .cell_output, .bd-content div.math, .bd-content table, .bd-content pre, .bd-content .pst-scrollable-table-container")
    .forEach((box) => { if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0; });
  reach();
  addEventListener("resize", reach);
  if (window.MathJax && MathJax.startup && MathJax.startup.promise) MathJax.startup.promise.then(reach);
});
