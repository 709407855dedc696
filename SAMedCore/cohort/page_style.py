"""How the report's page looks and what its table does when a column is clicked."""

STYLE = """
:root { --ground: #f6f7f9; --card: #fff; --ink: #16191d; --soft: #5c6672; --line: #e1e5ea; --accent: #0b6bcb;
  --odd: #b42318; --odd-ground: #fdecea; --warn: #9a6700; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #0f1216; --card: #171b21; --ink: #eef1f5; --soft: #9aa4b2; --line: #2a313b; --accent: #6cb2ff;
    --odd: #ff8f85; --odd-ground: #3a1d1b; --warn: #e3b341; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 14px/1.45 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 1480px; margin: 0 auto; padding: 28px 24px 40px; }
h1 { font-size: 26px; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 18px; margin: 32px 0 10px; }
h2 small, header p, .hint, footer { color: var(--soft); font-weight: 400; }
header p { margin: 4px 0 0; }
header b { color: var(--ink); }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin-top: 20px; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 18px; min-width: 128px; }
.tile b { display: block; font-size: 24px; font-weight: 600; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); }
.tile.bad b { color: var(--odd); }
.tile.warn b { color: var(--warn); }
.wide { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 12px; white-space: nowrap; }
th, td { padding: 7px 12px; border-bottom: 1px solid var(--line); vertical-align: middle; }
tbody tr:last-child td { border-bottom: 0; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th[data-sort] { cursor: pointer; }
th[data-sort]:hover { color: var(--ink); }
i { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 6px; }
.strip { width: 400px; }
svg { display: block; width: 380px; height: 22px; }
svg path { stroke-width: 2; fill: none; }
svg .axis { stroke: var(--line); stroke-width: 1; }
svg .median { stroke: var(--ink); stroke-width: 1.5; }
svg .odd { fill: var(--odd); stroke: var(--card); }
.scans td { padding: 6px 10px; }
.scans tbody tr { content-visibility: auto; contain-intrinsic-height: 84px; }
.picture { width: 1%; }
.picture img { display: block; height: 76px; border-radius: 6px; background: #000; }
.name { min-width: 190px; max-width: 380px; overflow-wrap: anywhere; }
.name a { color: var(--ink); font-weight: 600; text-decoration: none; }
.name a:hover { color: var(--accent); text-decoration: underline; }
.name small, .note { display: block; color: var(--soft); }
.chip { display: inline-block; margin: 3px 5px 0 0; padding: 1px 8px; border-radius: 9px; background: var(--odd-ground);
  color: var(--odd); font-size: 12px; }
td.odd { color: var(--odd); font-weight: 600; }
td.none { color: var(--soft); }
.group td { background: var(--ground); color: var(--soft); font-weight: 600; font-size: 12px; padding: 8px 12px; }
input { float: right; font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; padding: 4px 10px; margin-top: -6px; }
footer { margin-top: 28px; max-width: 90ch; }
@media print { .hint input { display: none; } body { background: #fff; } }
"""

SCRIPT = """
for (const table of document.querySelectorAll('table.scans')) {
  const body = table.tBodies[0];
  const value = (row, column, kind) => {
    const cell = row.cells[column];
    return kind === 'number' ? Number(cell.dataset.value) : cell.textContent;
  };
  for (const title of table.querySelectorAll('th[data-sort]')) {
    let direction = title.dataset.sort === 'number' ? -1 : 1;
    title.addEventListener('click', () => {
      const column = title.cellIndex, kind = title.dataset.sort;
      body.querySelectorAll('.group').forEach(row => row.remove());
      const rows = [...body.rows].sort((a, b) => {
        const one = value(a, column, kind), other = value(b, column, kind);
        return direction * (kind === 'number' ? one - other : one.localeCompare(other, undefined, {numeric: true}));
      });
      body.append(...rows);
      direction = -direction;
    });
  }
  document.querySelector('input[type=search]').addEventListener('input', event => {
    const wanted = event.target.value.toLowerCase();
    for (const row of body.rows) {
      const name = row.querySelector('.name');
      row.hidden = wanted !== '' && (!name || !name.textContent.toLowerCase().includes(wanted));
    }
  });
}
"""
