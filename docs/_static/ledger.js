// The ledger of claims is plain HTML; this adds the verdicts' buttons and the search to it.
document.addEventListener("DOMContentLoaded", () => {
  const filter = document.querySelector(".ledger-filter");
  if (!filter) return;
  const rows = [...document.querySelectorAll(".ledger tbody tr")];
  const search = filter.querySelector("input");
  const buttons = [...filter.querySelectorAll("button")];
  const count = filter.querySelector("output");
  let verdict = "";
  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = (verdict && row.dataset.verdict !== verdict) || !words.every((w) => text.includes(w));
    }
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} claims`;
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      verdict = button.value === verdict ? "" : button.value;
      for (const b of buttons) b.setAttribute("aria-pressed", String(b.value === verdict));
      show();
    });
  }
  search.addEventListener("input", show);
  // A link to a claim shows it, whatever is filtered.
  addEventListener("hashchange", () => {
    if (rows.some((row) => `#${row.id}` === location.hash && row.hidden)) {
      verdict = search.value = "";
      for (const b of buttons) b.setAttribute("aria-pressed", "false");
      show();
      document.querySelector(location.hash).scrollIntoView();
    }
  });
  filter.hidden = false;
  show();
});
