"""The pages that nginx serves from /run/appliance/www. Plain strings in, HTML out; nothing is loaded from elsewhere."""
import html
import json

STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5c6878;--line:#dfe4ea;--page:#f6f8fa;--card:#fff;--good:#1a7f4b;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf1;--soft:#9aa6b4;--line:#2d3744;--page:#12171d;--card:#1a212a;--good:#55c98a;--bad:#f2857c}}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:42rem;margin:10vh auto;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:12px}
h1{margin:0 0 .5rem;font-size:1.5rem}p{color:var(--soft);margin:.25rem 0 1.25rem}
table{width:100%;border-collapse:collapse;margin-top:1rem}td,th{padding:.45rem 0;border-top:1px solid var(--line);text-align:left;font-weight:400}
td{text-align:right}code{font-size:.8rem;overflow-wrap:anywhere}.good{color:var(--good)}.bad{color:var(--bad)}
li.now{font-weight:600}li{color:var(--soft)}
"""


def progress(stages, failure):
    """The page of answer 503: stages so far, or the reason of a failure."""
    if failure:
        body = f'<h1 class="bad">This machine could not start</h1><p>{html.escape(failure)}</p>'
    else:
        body = "<h1>This machine is starting</h1><p>The page reloads by itself.</p>"
    items = [f"<li{' class=now' if stage is stages[-1] else ''}>{html.escape(stage)}</li>" for stage in stages]
    return _page("Starting", body + f"<ol>{''.join(items)}</ol>", refresh=5)


def progress_json(stages, failure):
    """The same for programs that ask /status."""
    answer = {"ready": False, "stage": stages[-1] if stages else ""}
    return json.dumps({**answer, "failed": failure} if failure else answer) + "\n"


def status(facts):
    """The page `/` of a ready machine, from the facts of status.facts()."""
    good = facts["ready"]
    title = '<h1 class="good">In service</h1>' if good else '<h1 class="bad">Needs attention</h1>'
    rows = [("Role", facts["role"]), ("Version", facts["version"])]
    rows += [(f"Service {name}", state) for name, state in facts["units"].items()]
    rows += [(f"Database {name}", state) for name, state in facts["database"].items()]
    table = "".join(f"<tr><th>{html.escape(name)}</th><td class={_tone(state)}>{html.escape(state)}</td></tr>" for name, state in rows)
    plan = f"<tr><th>Plan</th><td><code>{html.escape(facts['plan'])}</code></td></tr>"
    return _page("Status", f"{title}<p>Checked {html.escape(facts['checked'])}</p><table>{table}{plan}</table>", refresh=60)


def _tone(state):
    return {"active": "good", "up": "good", "failed": "bad", "down": "bad", "inactive": "bad"}.get(state, '""')


def _page(title, body, refresh):
    return ('<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f'<meta name="robots" content="noindex"><meta http-equiv="refresh" content="{refresh}">'
            f"<title>{title}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>\n")
