"""table.py RESULTS.json README.md: put the results between the README's markers."""
import json
import sys


def main(results, readme):
    with open(results) as f:
        r = json.load(f)
    run = "%s; peer: %s; medians of %d rounds." % (r["cpu"], r["peer"], r["rounds"])
    lines = ["<!-- exact -->", run, "", "| what | target | measured | |", "|---|---|---|---|"]
    for row in r["rows"]:
        note = row["note"] if row["ok"] else ("**short** " + row["note"]).strip()
        lines.append("| %s | %s | %s | %s |" % (row["what"], row["target"], row["measured"], note))
    lines.append("<!-- /exact -->")
    with open(readme) as f:
        text = f.read()
    head, rest = text.split("<!-- exact -->", 1)
    tail = rest.split("<!-- /exact -->", 1)[1]
    with open(readme, "w") as f:
        f.write(head + "\n".join(lines).replace("%%", "%") + tail)


if __name__ == "__main__":
    main(*sys.argv[1:])
