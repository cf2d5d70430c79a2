"""How the pages look, and the scripts that more than one of them has."""

# viridis at 18 places. The better, the stronger: on white its bright end is left out, on black its
# dark one.
_VIRIDIS = [
    "440154", "481769", "472a7a", "433d84", "3d4e8a", "355e8d", "2e6d8e", "297b8e", "23898e",
    "1f978b", "21a585", "2eb37c", "46c06f", "65cb5e", "89d548", "b0dd2f", "d8e219", "fde725",
]  # fmt: skip
LEVELS = 16


def levels() -> str:
    """CSS of the classes c0 to c15: the levels, strong ones first, on white and on black."""
    light, dark = _VIRIDIS[:LEVELS], _VIRIDIS[::-1][:LEVELS]
    rules = (
        "".join(f".c{i}{{color:#{color}}}" for i, color in enumerate(colors))
        for colors in (light, dark)
    )
    return "{}@media(prefers-color-scheme:dark){{{}}}".format(*rules)


# What all pages share; a page adds what is its own.
STYLE = """
:root{color-scheme:light dark;--page:#f5f6f8;--card:#fff;--ink:#1b2130;--soft:#667085;
--line:#e3e6ec;--gray:#c3c8d2;--accent:#3565c9;--hot:#e0442e;--tint:#eef3fd;--done:#2a9d6f;
--pruned:#a3abba;--diverged:#d9480f;--failed:#b3124c;--running:#3565c9;--waiting:#dfe3ea}
@media(prefers-color-scheme:dark){:root{--page:#10131a;--card:#181c25;--ink:#e7eaf1;--soft:#98a2b5;
--line:#2a303c;--gray:#3f4757;--accent:#86abff;--hot:#ff7a63;--tint:#1f2a41;
--done:#3fbf8a;--pruned:#6b7485;--diverged:#ff8a4c;--failed:#ff5c8d;--running:#86abff;--waiting:#343b49}}
*{box-sizing:border-box}
body{margin:0 auto;padding:clamp(12px,3vw,36px);max-width:1280px;background:var(--page);
color:var(--ink);
font:14px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif;
font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
h1{margin:0;font-size:26px;line-height:1.2;letter-spacing:-.01em}
h2{margin:0 0 4px;font-size:15px}
p,ul,dl,dd,figure,pre{margin:0;padding:0}
a{color:var(--accent);text-decoration:none}
a:hover{text-decoration:underline}
small{color:var(--soft);font-weight:400}
header{margin:4px 0 20px}
header p{margin:4px 0 14px;color:var(--soft)}
header p b{color:var(--ink)}
.bar{display:flex;gap:2px;height:6px;border-radius:3px;overflow:hidden}
header ul{display:flex;flex-wrap:wrap;gap:4px 18px;margin-top:8px;list-style:none;color:var(--soft)}
header li b{color:var(--ink)}
.dot{display:inline-block;width:8px;height:8px;margin-right:6px;border-radius:50%}
.bar i,.dot{background:var(--gray)}
i.done{background:var(--done)}
i.pruned{background:var(--pruned)}
i.diverged{background:var(--diverged)}
i.failed{background:var(--failed)}
i.running{background:var(--running)}
i.waiting{background:var(--waiting)}
section{margin-bottom:16px;padding:16px 18px;background:var(--card);border:1px solid var(--line);
border-radius:12px;min-width:0}
.note{color:var(--soft);font-size:13px}
.command{display:flex;gap:8px;align-items:flex-start;margin-top:14px;padding:8px 8px 8px 12px;
background:var(--page);border-radius:8px}
.command pre{flex:1;min-width:0;padding:4px 0;white-space:pre-wrap;
font:12.5px/1.5 ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace}
.command span{display:inline-block;max-width:100%;white-space:pre-wrap;word-break:break-all}
.command button{padding:4px 12px;border:1px solid var(--line);border-radius:6px;
background:var(--card);color:inherit;font:inherit;font-size:13px;cursor:pointer}
.box{overflow-x:auto}
.plot{position:relative}
.plot svg{display:block;width:100%;height:100%;overflow:visible}
.plot span{position:absolute;color:var(--soft);font-size:11px;line-height:1;white-space:nowrap;
pointer-events:none}
.plot .value{right:calc(100% + 8px);transform:translateY(-50%)}
.plot .step{top:calc(100% + 8px);transform:translateX(-50%)}
path,polyline{fill:none;stroke:currentColor;stroke-width:1.4;vector-effect:non-scaling-stroke;
stroke-linejoin:round}
polyline{opacity:.75}
.gray{color:var(--gray);stroke-width:1}
.axis{color:var(--soft);stroke-width:1}
.rule{color:var(--line);stroke-width:1}
.dim polyline,.dim .end{opacity:.12}
.dim .over{opacity:1}
.over{color:var(--hot);stroke-width:3;stroke-linecap:round}
.best{opacity:1;stroke-width:3.2}
.pair{display:grid;grid-template-columns:minmax(0,2fr) minmax(0,1fr);gap:0 16px}
.rows{max-height:640px;margin:10px -18px -16px;overflow:auto;border-radius:0 0 12px 12px;
overflow-wrap:normal}
table{width:100%;border-collapse:separate;border-spacing:0}
th,td{padding:6px 10px;border-bottom:1px solid var(--line);text-align:left;white-space:nowrap}
tr:last-child td{border-bottom:0}
td:first-child{padding-left:18px}
th{position:sticky;top:0;z-index:1;padding:0;background:var(--card);vertical-align:bottom}
th button{width:100%;padding:6px 10px;border:0;background:none;color:var(--soft);font:inherit;
font-size:12px;font-weight:600;line-height:1.3;text-align:inherit;white-space:normal;cursor:pointer}
th:first-child button{padding-left:18px}
th button:hover,th[aria-sort] button{color:var(--ink)}
th[aria-sort] button::after{content:"\\a0\\2191"}
th[aria-sort=descending] button::after{content:"\\a0\\2193"}
.message{color:var(--soft);white-space:normal;min-width:200px}
tr.best td{background:var(--tint)}
tr.hot td{background:color-mix(in srgb,var(--hot) 14%,var(--card))}
figure.hot{outline-color:var(--hot)}
#tip{position:fixed;z-index:2;left:0;top:0;max-width:min(380px,100vw - 16px);padding:8px 12px;
background:var(--card);border:1px solid var(--line);border-radius:8px;box-shadow:0 6px 20px #0003;
font-size:12px;overflow-wrap:break-word;pointer-events:none}
#tip div{display:flex;justify-content:space-between;gap:16px}
#tip span{min-width:0;color:var(--soft)}
@media(max-width:760px){.pair,.command{display:block}section{padding:14px}
.rows{margin:10px -14px -14px}
th:first-child,td:first-child{position:sticky;left:0;background:var(--card)}
th:first-child{z-index:2}}
"""

# `root` and `tip`, and where the latter goes.
TIP = """
const root = document.documentElement, tip = document.getElementById("tip")
function placeTip(x, y) {
  tip.hidden = false
  const left = x + 16 + tip.offsetWidth > innerWidth ? x - 16 - tip.offsetWidth : x + 16
  const top = Math.min(y + 16, innerHeight - tip.offsetHeight - 8)
  tip.style.transform = `translate(${Math.max(left, 8)}px,${Math.max(top, 8)}px)`
}
"""

# The one table of a page sorts by its heads; each of its bodies by itself.
SORT = """
const table = document.querySelector("table")
const heads = table ? [...table.tHead.rows[0].cells] : []
const bodies = table ? [...table.tBodies] : []
const rows = bodies.flatMap(body => [...body.rows]).filter(row => row.cells.length > 1)

// What is empty comes last, and so do values of a `first` column in rows that are not done.
function keyOf(row, column) {
  const cell = row.cells[column], sort = cell.dataset.sort
  const text = sort === undefined ? cell.textContent : sort
  if (text === "" || (heads[column].dataset.first && !row.classList.contains("done"))) return null
  return sort === undefined ? text : Number(text)
}
function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b
  return String(a).localeCompare(String(b), "en", {numeric: true})
}
function sort(column, direction) {
  const sign = direction === "descending" ? -1 : 1
  const keys = new Map(rows.map(row => [row, keyOf(row, column)]))
  for (const body of bodies) body.append(...[...body.rows].sort((a, b) => {
    const x = keys.get(a), y = keys.get(b)
    if (x === null || y === null) return (x === null) - (y === null)
    return sign * compare(x, y)
  }))
  for (const head of heads) head.removeAttribute("aria-sort")
  heads[column].setAttribute("aria-sort", direction)
}
const opposite = {ascending: "descending", descending: "ascending"}
heads.forEach((head, column) => head.addEventListener("click", () => {
  const first = head.dataset.first || "ascending", now = head.getAttribute("aria-sort")
  const direction = now ? opposite[now] : first
  sort(column, direction)
  const wanted = (direction === first ? "" : "-") + head.dataset.key
  history.replaceState(null, "", "#" + new URLSearchParams({sort: wanted}))
}))
// The address keeps it over a reload: #sort=step, #sort=-step.
const wanted = new URLSearchParams(location.hash.slice(1)).get("sort") || ""
const at = heads.findIndex(head => [head.dataset.key, "-" + head.dataset.key].includes(wanted))
if (at >= 0) {
  const first = heads[at].dataset.first || "ascending"
  sort(at, wanted === heads[at].dataset.key ? first : opposite[first])
}
"""

# Lines of plots, rows of the table and figures that are of one thing, by their data-`kind`.
POINT = """
// Pointing at one of `kind` anywhere shows it everywhere.
const rowOf = new Map(rows.map(row => [row.dataset[kind], row]))
const plots = [...document.querySelectorAll(".plot svg")].map(svg => {
  const lines = [...svg.querySelectorAll("polyline")].map(line => ({
    name: line.dataset[kind],
    points: line.getAttribute("points").split(" ").map(point => point.split(",").map(Number)),
  }))
  const over = document.createElementNS(svg.namespaceURI, "polyline")
  over.setAttribute("class", "over")
  svg.append(over)
  return {svg, lines, over}
})
function show(name) {
  for (const node of document.querySelectorAll(".hot")) node.classList.remove("hot")
  for (const {svg, lines, over} of plots) {
    const line = lines.find(line => line.name === name)
    svg.classList.toggle("dim", Boolean(line))
    over.setAttribute("points", line ? line.points.join(" ") : "")
  }
  if (name === null) tip.hidden = true
  else for (const node of document.querySelectorAll(`tr[data-${kind}="${name}"],` +
    `figure[data-${kind}="${name}"]`)) node.classList.add("hot")
}
// Squared distance of a point from a line, all in pixels.
function distance(points, x, y, sx, sy) {
  let least = Infinity
  for (let i = 0; i < points.length; i++) {
    const [ax, ay] = points[Math.max(i - 1, 0)], [bx, by] = points[i]
    const dx = (bx - ax) * sx, dy = (by - ay) * sy, px = x - ax * sx, py = y - ay * sy
    const t = Math.min(Math.max((px * dx + py * dy) / (dx * dx + dy * dy || 1), 0), 1)
    least = Math.min(least, (px - t * dx) ** 2 + (py - t * dy) ** 2)
  }
  return least
}
function describe(row, x, y) {
  tip.replaceChildren()
  heads.forEach((head, column) => {
    if (!row.cells[column].textContent) return
    const line = document.createElement("div"), name = document.createElement("span")
    name.textContent = head.textContent
    line.append(name, row.cells[column].textContent)
    tip.append(line)
  })
  placeTip(x, y)
}
for (const {svg, lines} of plots) {
  svg.addEventListener("pointermove", event => {
    const box = svg.getBoundingClientRect()
    const x = event.clientX - box.left, y = event.clientY - box.top
    let nearest = null, least = 20 ** 2
    for (const line of lines) {
      const away = distance(line.points, x, y, box.width / 2000, box.height / 1000)
      if (away < least) [nearest, least] = [line.name, away]
    }
    show(nearest)
    if (nearest === null) return
    const row = rowOf.get(nearest), list = table.parentElement
    list.scrollTop = row.offsetTop - list.clientHeight / 2
    describe(row, event.clientX, event.clientY)
  })
  svg.addEventListener("pointerleave", () => show(null))
}
for (const node of document.querySelectorAll(`tr[data-${kind}],figure[data-${kind}]`)) {
  node.addEventListener("pointerenter", () => show(node.dataset[kind]))
  node.addEventListener("pointerleave", () => show(null))
}
"""

# The button beside a command.
COPY = """
async function copy(button) {
  const code = button.parentElement.querySelector("code")
  try {
    await navigator.clipboard.writeText(code.textContent)
  } catch {  // no permission, or served without encryption
    getSelection().selectAllChildren(code)
    document.execCommand("copy")
  }
  button.textContent = "Copied"
  setTimeout(() => button.textContent = "Copy", 1500)
}
for (const button of document.querySelectorAll(".command button")) {
  button.addEventListener("click", () => copy(button))
}
"""
