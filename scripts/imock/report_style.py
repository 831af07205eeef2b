# SPDX-License-Identifier: GPL-2.0
"""How the page of the report looks."""

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 84rem; padding: 0 1rem;
       color: #1b1f24; background: #fff; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #d0d7de; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { border: 1px solid #d0d7de; padding: .2rem .5rem; text-align: left;
         vertical-align: top; }
th { background: #f6f8fa; font-weight: 600; white-space: nowrap; }
td small, th small { display: block; font-weight: 400; color: #59636e; white-space: nowrap; }
.hitless { background: #dafbe1; } .blocked { background: #fff8c5; }
.broken { background: #ffcecb; } .none { background: #f6f8fa; color: #818b98; }
.not-exhausted { background: #ddf4ff; }
.key td { padding: .1rem .6rem; }
a { color: inherit; }
.bar { display: flex; min-width: 9rem; text-align: center; font-size: 12px; }
.bar span { min-width: 1.8rem; }
.others { display: flex; gap: 2px; margin-top: 3px; }
.others > * { width: 10px; height: 10px; border: 1px solid #afb8c1; box-sizing: border-box; }
.others .broken { background: #fa4549; border-color: #a40e26; }
.others .hitless { background: #aceebb; } .others .blocked { background: #eed888; }
.others .gap { border-color: #eaeef2; }
details { border: 1px solid #d0d7de; border-radius: 6px; margin: .5rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; font-weight: 600; }
details p:target { background: #ffebe9; }
th small.why { white-space: normal; min-width: 6rem; }
.lanes { display: grid; grid-template-columns: 3rem 1fr 1fr 1.4fr; margin: .8rem 0;
         font: 12px/1.5 ui-monospace, monospace; }
.lanes > div { padding: 2px .5rem; border-left: 2px solid #d0d7de; overflow-wrap: anywhere; }
.lanes > .head { font: 600 13px system-ui, sans-serif; border-left-color: transparent; }
.lanes > .time { border-left: 0; color: #818b98; text-align: right; }
.lanes span { display: block; padding: 1px .5rem; border-radius: 4px; background: #f6f8fa;
              border: 1px solid #d0d7de; }
.lanes .store { background: #ddf4ff; border-color: #54aeff; }
.lanes .order { background: #fff; border-style: dashed; }
.lanes .books { background: #fff; border-color: transparent; color: #59636e; }
.lanes .command { background: #fbefff; border-color: #c297ff; }
.lanes .memory { background: #fff; border-color: transparent; color: #59636e; }
.lanes .reads { background: #fff8c5; border-color: #d4a72c; }
.lanes .dma { background: #ffcecb; border-color: #a40e26; font-weight: 600; }
td.count { text-align: right; } td.count.killed { background: #dafbe1; }
td.count.left { background: #ffcecb; }
"""
