"""The one stylesheet of our HTML documents: light and dark as the reader prefers, for phones too."""

STYLE = """
:root { color-scheme: light dark;
  --paper: #fff; --ink: #1c2128; --soft: #59636e; --line: #d1d9e0; --field: #f6f8fa; --link: #0b57d0;
  --better: #12703a; --better-field: #e3f6e8; --worse: #b3261e; --worse-field: #fdecea;
  --undecided: #7a5200; --undecided-field: #fff4d6; --base: #8b949e; --head: #0b62d6; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #0d1117; --ink: #e6edf3; --soft: #9aa4b0; --line: #2f3742; --field: #161b22; --link: #78b0ff;
  --better: #56d37a; --better-field: #10291a; --worse: #ff8f86; --worse-field: #33161a;
  --undecided: #e8bd5a; --undecided-field: #2c2410; --base: #7d8794; --head: #6cb0ff; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .35rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2.4rem 0 .6rem; }
h3 { font-size: .95rem; margin: 1.4rem 0 .4rem; }
p { margin: .35rem 0; }
.soft, .note { color: var(--soft); }
.note { font-size: .9rem; }
code, pre, .key, .value { font-family: ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas, "Liberation Mono",
  monospace; font-size: .9em; }
.key, .value, code { overflow-wrap: anywhere; }
td .key, td .value { display: inline-block; max-width: 26rem; overflow-wrap: break-word; white-space: pre-wrap; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .38rem 1.2rem .38rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 500; font-size: .82rem; color: var(--soft); white-space: nowrap; }
th:last-child, td:last-child { padding-right: 0; }
table:not(.wide):not(:has(.number)) :is(th, td):not(:last-child) { width: 34%; }
td.number, th.number { text-align: right; white-space: nowrap; width: 1%; }
.better, .added { color: var(--better); }
.worse, .removed { color: var(--worse); }
.faint { color: var(--soft); }
.strong { font-weight: 650; }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.1rem; margin: 1rem 0; }
dl.facts dt { color: var(--soft); }
dl.facts dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
dl.facts dd > * { margin-right: .55em; }
details { border: 1px solid var(--line); border-radius: 8px; margin: .7rem 0; }
summary { cursor: pointer; padding: .55rem .85rem; font-weight: 550; }
summary:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 8px; }
details > .inside { border-top: 1px solid var(--line); padding: .35rem .85rem .85rem; }
.patch { margin: .5rem 0; border: 1px solid var(--line); border-radius: 8px; overflow-x: auto; background: var(--field);
  padding: .5rem 0; tab-size: 4; font: .8rem/1.45 ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas,
  "Liberation Mono", monospace; }
.patch span { display: block; min-width: max-content; padding: 0 .85rem; white-space: pre; min-height: 1.45em; }
.patch .added { background: var(--better-field); }
.patch .removed { background: var(--worse-field); }
.patch .hunk { color: var(--soft); }
.patch .file { font-weight: 650; padding-top: .4rem; padding-bottom: .3rem; }
.patch .file:not(:first-child) { border-top: 1px solid var(--line); margin-top: .5rem; }
ul.rules { list-style: none; margin: 0; padding: 0; }
ul.rules li { display: flex; flex-wrap: wrap; gap: .1rem .7rem; align-items: baseline; padding: .45rem 0;
  border-bottom: 1px solid var(--line); }
ul.rules .mark { width: 1em; text-align: center; }
ul.rules .rule { flex: 1 1 14rem; min-width: 0; overflow-wrap: anywhere; }
ul.rules .rule .key { font-weight: 650; margin-right: .6em; }
ul.rules .why { color: var(--soft); font-variant-numeric: tabular-nums; }
.verdict { border-radius: 10px; padding: .85rem 1.1rem; margin: 1.2rem 0; border: 1px solid var(--line);
  background: var(--field); }
.verdict.passed { background: var(--better-field); border-color: var(--better); }
.verdict.failed { background: var(--worse-field); border-color: var(--worse); }
.verdict.undecided { background: var(--undecided-field); border-color: var(--undecided); }
.verdict strong { font-size: 1.05rem; }
.warning { border-left: 3px solid var(--undecided); background: var(--undecided-field); padding: .5rem .85rem;
  margin: .6rem 0; border-radius: 0 8px 8px 0; overflow-wrap: anywhere; }
.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1rem; }
figure { margin: 0; border: 1px solid var(--line); border-radius: 10px; padding: .75rem .85rem .5rem; min-width: 0; }
figcaption { font-size: .88rem; margin-bottom: .35rem; overflow-wrap: anywhere; }
figure svg { display: block; width: 100%; height: auto; }
figure svg text { font-family: inherit !important; fill: var(--soft) !important; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .88rem; color: var(--soft); margin: 0 0 .6rem; }
.legend span::before { content: ""; display: inline-block; width: 1.3em; height: .2em; border-radius: 2px;
  margin-right: .45em; vertical-align: middle; background: var(--base); }
.legend .head::before { background: var(--head); }
footer { margin-top: 3rem; color: var(--soft); font-size: .85rem;
  border-top: 1px solid var(--line); padding-top: .8rem; }
@media (max-width: 34rem) {
  table.wide, .wide tbody, .wide tr { display: block; } .wide thead { display: none; }
  .wide tr { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); column-gap: 1.6rem; padding: .5rem 0;
    border-bottom: 1px solid var(--line); }
  .wide td:nth-child(-n+3), .wide td:nth-child(n+6) { grid-column: 1 / -1; }
  .wide td { display: flex; justify-content: space-between; gap: 1rem; border: 0; padding: .1rem 0; width: auto; }
  .wide td.number { width: auto; } .wide td:first-child { font-weight: 650; } .wide td:empty { display: none; }
  .wide td[data-label]:not(:first-child)::before { content: attr(data-label); color: var(--soft); font-weight: 400; }
  ul.rules .why { flex-basis: 100%; padding-left: 1.7em; order: 3; }
  main { padding: 1.2rem .9rem 3rem; } th, td { padding-right: .7rem; }
  dl.facts { grid-template-columns: 1fr; gap: 0; } dl.facts dd { margin-bottom: .5rem; } h1 { font-size: 1.3rem; } }
@media print { details { break-inside: avoid; } main { max-width: none; } }
"""

NOTEBOOK_STYLE = """
.gitruns table { border-collapse: collapse; margin: .3em 0 1em; }
.gitruns th, .gitruns td { text-align: left; padding: .2em .9em .2em 0; border: 0; border-bottom: 1px solid #8884; }
.gitruns .number { text-align: right; } .gitruns .strong { font-weight: 650; } .gitruns .faint { opacity: .65; }
.gitruns .better, .gitruns .added { color: #1a7f37; } .gitruns .worse, .gitruns .removed { color: #cf222e; }
"""
