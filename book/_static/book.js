/* Small repairs of the theme that need the finished page. */
addEventListener("DOMContentLoaded", () => {
  // wide blocks scroll by keyboard too, once they really overflow
  const reach = () =>
    document
      .querySelectorAll(
        ".bd-content .cell_output, .bd-content div.math, .bd-content table, .bd-content pre, .bd-content .pst-scrollable-table-container",
      )
      .forEach((box) => {
        if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
      });
  reach();
  addEventListener("resize", reach);
  if (window.MathJax && MathJax.startup && MathJax.startup.promise)
    MathJax.startup.promise.then(reach);
});

/* The ledger's filter: by verdict and by a word; it appears only where a script can serve it. */
addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("form.lr-ledger-filter");
  if (!form) return;
  const rows = [...document.querySelectorAll(".lr-ledger-table tbody tr")];
  const [verdict, word, shown] = [
    form.querySelector("select"),
    form.querySelector("input"),
    form.querySelector("output"),
  ];
  const apply = () => {
    const text = word.value.trim().toLowerCase();
    let count = 0;
    for (const row of rows) {
      const fits =
        (!verdict.value ||
          row.classList.contains("lr-verdict-" + verdict.value)) &&
        row.textContent.toLowerCase().includes(text);
      row.hidden = !fits;
      count += fits;
    }
    shown.textContent = count + " / " + rows.length;
  };
  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();
});
