/** The style sheet of HTML reports. Inline styles do not exist: the page's policy allows this sheet only, by its hash. */
export const STYLE = `
:root{color-scheme:light dark;--bg:#fff;--panel:#f6f8fa;--text:#1f2328;--muted:#59636e;--line:#d1d9e0;--faint:#e8ecf0;
--kernel:#3b6fb0;--user:#c4711b;--idle:#aab4bf;--guest:#4f9d76;--other:#8a6fb0;--bad:#b5485d;--good:#1a7f37;--warn:#9a6700;--warnbg:#fff8e1;--goodbg:#eefaf1;
--h0:#cfdff1;--h1:#b3cce8;--h2:#93b5dc;--h3:#6b97ca;--h4:#4778b1;--h5:#2b5a92;--h6:#153d6b}
@media (prefers-color-scheme:dark){:root{--bg:#11151a;--panel:#191f26;--text:#e3e8ed;--muted:#98a3af;--line:#333c46;--faint:#242c35;
--kernel:#5b93d6;--user:#e0923f;--idle:#5d6875;--guest:#58ae83;--other:#a68fd0;--bad:#d9708a;--good:#56c271;--warn:#d9a72e;--warnbg:#2a2412;--goodbg:#13261a;
--h0:#1d3753;--h1:#23486f;--h2:#2b5c8e;--h3:#3a72ad;--h4:#4f86c6;--h5:#7dabe0;--h6:#bcd7f5}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere}
main,header,footer{max-width:1120px;margin:0 auto;padding:0 24px}
header{padding-top:28px}
h1{font-size:24px;line-height:1.25;margin:0 0 4px;font-weight:650}
h2{font-size:18px;line-height:1.3;margin:0 0 8px;font-weight:650}
h3{font-size:14px;margin:20px 0 6px;font-weight:650}
p{margin:0 0 10px;max-width:76ch}
#details p,#vcpus p,#rate p,#slow p{font-size:13.5px}
section{padding:26px 0 22px;border-top:1px solid var(--line)}
section:first-child{border-top:0}
.lead{color:var(--muted);margin:0 0 16px}
.note,figcaption,.hint{color:var(--muted);font-size:13px}
figure{margin:14px 0}
figcaption{margin-bottom:8px}
a{color:var(--kernel)}
nav{margin:14px 0 0;font-size:13px}
nav a{margin-right:14px;text-decoration:none;white-space:nowrap}
nav a:hover{text-decoration:underline}
.trust{border-left:4px solid var(--good);background:var(--goodbg);padding:10px 14px;border-radius:4px;margin:0}
.trust strong{color:var(--good)}
.trust.doubt{border-color:var(--warn);background:var(--warnbg)}
.trust.doubt strong{color:var(--warn)}
dl.facts{display:grid;grid-template-columns:max-content 1fr;gap:2px 18px;margin:14px 0 0;font-size:13.5px}
dt{color:var(--muted)}
dd{margin:0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:4px 0 18px}
.tile{background:var(--panel);border-radius:6px;padding:10px 14px}
.tile b{display:block;font-size:21px;line-height:1.3;font-weight:600;font-variant-numeric:tabular-nums}
.tile span{display:block;color:var(--muted);font-size:12.5px;line-height:1.35}
ol.findings{margin:14px 0 0;padding:0;list-style:none;counter-reset:f}
ol.findings li{counter-increment:f;padding:10px 0 10px 40px;position:relative;border-top:1px solid var(--faint)}
ol.findings li:before{content:counter(f);position:absolute;left:4px;top:9px;font-size:20px;font-weight:600;color:var(--muted)}
ol.findings b{display:block;font-weight:600}
ol.findings p{margin:0}
ol.findings .fix{margin-top:4px}
.scroll{overflow-x:auto;margin:10px 0;background:linear-gradient(to right,var(--bg) 30%,transparent) 0 0/40px 100% local no-repeat,linear-gradient(to left,var(--bg) 30%,transparent) 100% 0/40px 100% local no-repeat,linear-gradient(to right,var(--line),transparent) 0 0/10px 100% no-repeat,linear-gradient(to left,var(--line),transparent) 100% 0/10px 100% no-repeat}
table{border-collapse:collapse;font-size:13px;line-height:1.4;font-variant-numeric:tabular-nums;min-width:min(100%,420px)}
table.full{min-width:100%}
th,td{padding:4px 10px;text-align:left;vertical-align:top;white-space:nowrap}
td.w,th.w{white-space:normal;min-width:12em}
th{color:var(--muted);font-weight:500;border-bottom:1px solid var(--line);vertical-align:bottom}
td{border-bottom:1px solid var(--faint)}
th:first-child,td:first-child{padding-left:2px}
.n{text-align:right}
tfoot td{font-weight:600;border-bottom:0}
tbody tr:hover td{background:var(--panel)}
th button{all:unset;cursor:pointer;color:inherit}
th button:hover,th button:focus-visible{color:var(--text);text-decoration:underline}
th button:focus-visible{outline:2px solid var(--kernel);outline-offset:2px}
th[aria-sort] button{color:var(--text)}
th[aria-sort=ascending] button:after{content:" ▲";font-size:9px}
th[aria-sort=descending] button:after{content:" ▼";font-size:9px}
.dim{color:var(--muted)}
code,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:12.5px}
pre{background:var(--panel);border-radius:6px;padding:10px 14px;margin:8px 0;white-space:pre-wrap;font-size:12.5px}
details{margin:10px 0}
summary{cursor:pointer;color:var(--kernel);font-size:13.5px}
summary:focus-visible{outline:2px solid var(--kernel);outline-offset:2px}
ul.plain{list-style:none;padding:0;margin:8px 0}
ul.plain li{padding:3px 0;font-size:13.5px}
.tag{font-size:11.5px;font-weight:600;margin-right:8px;color:var(--muted)}
.tag.suspect,.tag.data-loss{color:var(--warn)}
ul.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;padding:0;margin:8px 0 0;font-size:12.5px;color:var(--muted)}
.legend svg{margin-right:6px}
.chart{padding:10px 16px 0 72px}
.chart.wide-labels{padding-left:104px}
.chart.flat{padding-left:0;padding-right:0}
.chart svg{overflow:visible;display:block;fill:var(--text)}
.chart text{font-size:11px;font-variant-numeric:tabular-nums}
.chart .axis text{fill:var(--muted)}
.axis line{stroke:var(--faint)}
.axis .base{stroke:var(--line)}
.m{text-anchor:middle}.e{text-anchor:end}
.flow text{paint-order:stroke;stroke:var(--bg);stroke-width:3px;stroke-linejoin:round}
.bars{fill:var(--kernel)}
.idlebars .bars{fill:var(--idle)}
line.p50{stroke:var(--text);stroke-width:1.5}
line.p99{stroke:var(--user);stroke-width:1.5}
.kernel{fill:var(--kernel)}.user{fill:var(--user)}.idle{fill:var(--idle)}.guest{fill:var(--guest)}.other{fill:var(--other)}
.poll{fill:var(--h5)}.halt{fill:var(--idle)}.run{fill:var(--other)}.steal{fill:var(--bad)}.track{fill:var(--faint)}
.ribbons{fill-opacity:.32}
.h0{fill:var(--h0)}.h1{fill:var(--h1)}.h2{fill:var(--h2)}.h3{fill:var(--h3)}.h4{fill:var(--h4)}.h5{fill:var(--h5)}.h6{fill:var(--h6)}
.area{fill:var(--kernel);fill-opacity:.18}
.stroke{fill:none;stroke:var(--kernel);stroke-width:1.5;vector-effect:non-scaling-stroke}
.storm{fill:var(--user);fill-opacity:.28}
line.change{stroke:var(--user);stroke-width:1.5;stroke-dasharray:4 3}
.dist{display:grid;grid-template-columns:270px 1fr;gap:0 20px;align-items:end;padding:5px 0}
.dist p{margin:0;font-size:12.5px;line-height:1.35;color:var(--muted)}
.dist b{color:var(--text);font-weight:600;display:block;font-size:13px}
.dist .chart{padding-top:4px}
.dist .axisrow{height:36px}
footer{color:var(--muted);font-size:12.5px;padding-top:16px;padding-bottom:40px}
@media (max-width:900px){th,td{padding:4px 6px}}
@media (max-width:640px){body{font-size:14.5px}main,header,footer{padding-left:14px;padding-right:14px}h1{font-size:20px}.chart{padding-left:52px;padding-right:8px}.chart.flat{padding:10px 0 0}.odd{display:none}
.dist{grid-template-columns:1fr}dl.facts{grid-template-columns:1fr;gap:0}dl.facts dd{margin-bottom:6px}.tiles{grid-template-columns:1fr 1fr}}
@media print{:root{color-scheme:light;--bg:#fff;--panel:#f6f8fa;--text:#000;--muted:#444;--line:#bbb;--faint:#ddd;--kernel:#3b6fb0;--user:#c4711b;--idle:#aab4bf;--guest:#4f9d76;--other:#8a6fb0;--bad:#b5485d;--good:#1a7f37;--warn:#9a6700;--warnbg:#fff;--goodbg:#fff;
--h0:#cfdff1;--h1:#b3cce8;--h2:#93b5dc;--h3:#6b97ca;--h4:#4778b1;--h5:#2b5a92;--h6:#153d6b}
body{font-size:11pt}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}nav,.hint{display:none}.trust{background:var(--goodbg)}.scroll{overflow:visible;background:none}table{font-size:8pt}td,th{white-space:normal;padding:2px 5px}
figure,.dist,li,tr{break-inside:avoid}h2,h3,section>p.note{break-after:avoid}main,header,footer{max-width:none;padding-left:0;padding-right:0}}
`;
