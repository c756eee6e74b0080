"""From rows to Markdown, and to the list of goals."""

import json
import statistics


def number(value, digits=1):
    if value is None:
        return "—"
    return f"{value:,.{digits}f}" if abs(value) < 1000 else f"{value:,.0f}"


def rows_of(result, workload):
    return [row for row in result["rows"] if row["workload"] == workload]


def find(result, workload, subject, concurrency=None):
    for row in rows_of(result, workload):
        if row["subject"] == subject and concurrency in (None, row.get("concurrency")):
            return row
    return None


def markdown(result):
    machine = result["machine"]
    out = [
        f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, {machine['system']}. "
        f"Medians of {result['rounds']} interleaved rounds of {result['seconds']} s. {versions(result)}.",
        disturbance(result),
    ]
    out += bursts(result) + streams(result) + attack(result)
    measured = [goal for goal in goals(result) if goal["met"] is not None]
    if measured:
        out += ["", "| goal | bound | measured | |", "| --- | --- | --- | --- |"]
    for goal in measured:
        met = "met" if goal["met"] else "**not met**"
        out.append(f"| {goal['goal']} | {goal['bound']} | {goal['measured']} | {met} |")
    if missing := len(goals(result)) - len(measured):
        out += ["", f"{missing} of {len(goals(result))} goals were not measured in this run."]
    return "\n".join(out) + "\n"


def bursts(result):
    rows = [row for row in result["rows"] if "cpu_us" in row]
    if not rows:
        return []
    out = [
        "",
        "CPU is of the gateway alone, per request; in brackets the ratio to nginx in the same rounds.",
        "",
        "| workload | at once | subject | CPU µs | requests/s | p50 µs | p99 µs |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        reference = find(result, row["workload"], "nginx", row["concurrency"])
        cells = [row["title"], str(row["concurrency"]), row["subject"]]
        cells += [
            cell(row, reference, key, 1 if key == "cpu_us" else 0) for key in ("cpu_us", "rps", "p50_us", "p99_us")
        ]
        out.append("| " + " | ".join(cells) + " |")
    return out


def disturbance(result):
    rounds = [burst for row in result["rows"] if "cpu_us" in row for burst in row["rounds"]]
    for row in rows_of(result, "attack"):
        rounds += row["rounds"]["calm"] + row["rounds"]["hostile"]
    shares = [burst["foreign_percent"] for burst in rounds]
    if not shares:
        return ""
    middle, worst = statistics.median(shares), max(shares)
    quiet = "" if middle < 3 else " **The machine was not quiet: measure again.**"
    return f"Others used {middle:.1f} % of the gateway's CPU in the median burst, {worst:.0f} % in the worst.{quiet}"


def versions(result):
    return ", ".join(f"{name} {version}" for name, version in result["versions"].items())


def cell(row, reference, key, digits):
    """A figure with its ratio to nginx's."""
    value = row[key]
    if value is None or not reference or not reference[key] or row is reference:
        return number(value, digits)
    return f"{number(value, digits)} ({value / reference[key]:.2f})"


def streams(result):
    rows = rows_of(result, "streams")
    if not rows:
        return []
    out = [
        "",
        "| subject | RSS idle, MB | CPU idle | streams | KiB per stream "
        "| CPU with them | RSS after, MB | returned | left open |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        for held in row["held"]:
            cells = [row["subject"], number(row["idle_rss_kib"] / 1024), f"{row['idle_cpu_percent']:.2f} %"]
            cells += [f"{held['streams']:,}", number(held["kib_per_stream"]), f"{held['cpu_percent']:.2f} %"]
            cells += [number(held["rss_after_kib"] / 1024), f"{held['returned_percent']:.0f} %"]
            cells.append(str(held["connections_left"]))
            out.append("| " + " | ".join(cells) + " |")
    return out


def attack(result):
    out = []
    for row in rows_of(result, "attack"):
        out += [
            "",
            f"Under attack ({row['subject']}, {row['concurrency']} at once): p99 of honest calls "
            f"{number(row['p99_calm_us'], 0)} µs without, at most {number(row['p99_attack_us'], 0)} µs with it; "
            f"RSS {number(row['rss_before_kib'] / 1024)} MB before, at most {number(row['rss_most_kib'] / 1024)} MB "
            f"while it lasts, {number(row['rss_after_kib'] / 1024)} MB after; keys fetched {row['key_fetches']} times.",
        ]
    return out


def goals(result):
    """Each goal with what was measured; `met` is None where the run did not measure it."""

    def ratio(goal, bound, key, mine, other):
        if not mine or not other or not mine[key] or not other[key]:
            return entry(goal, f"≤ {bound} ×", None, None)
        found = mine[key] / other[key]
        return entry(goal, f"≤ {bound} ×", f"{found:.2f} ×", found <= bound)

    def most(goal, bound, unit, value, digits=1):
        if value is None:
            return entry(goal, f"≤ {bound} {unit}", None, None)
        return entry(goal, f"≤ {bound} {unit}", f"{value:.{digits}f} {unit}", value <= bound)

    def least(goal, bound, unit, value):
        if value is None:
            return entry(goal, f"≥ {bound} {unit}", None, None)
        return entry(goal, f"≥ {bound} {unit}", f"{value:.0f} {unit}", value >= bound)

    def entry(goal, bound, measured, met):
        return {"goal": goal, "bound": bound, "measured": measured or "—", "met": met}

    def at(workload, subject="toolgate", concurrency=64):
        return find(result, workload, subject, concurrency)

    idle = find(result, "streams", "toolgate") or {}
    held = max(idle.get("held", []), key=lambda one: one["streams"], default={})
    attacked = find(result, "attack", "toolgate") or {}
    fetches_allowed = attacked.get("key_fetches_allowed", 1)
    calm = {"p99": attacked.get("p99_calm_us")}
    hostile = {"p99": attacked.get("p99_attack_us")}
    idle_mb = idle["idle_rss_kib"] / 1024 if idle else None
    return [
        ratio("CPU of a judged call, to nginx", 1.2, "cpu_us", at("call"), at("call", "nginx")),
        ratio("CPU of a judged call, to Pingora's passthrough", 0.6, "cpu_us", at("call"), at("call", "pingora")),
        ratio("CPU of a list of 30, half hidden, to nginx", 1.5, "cpu_us", at("list-30"), at("list-30", "nginx")),
        ratio("CPU of a denied call, to an allowed one of nginx", 0.6, "cpu_us", at("denied"), at("denied", "nginx")),
        ratio("CPU of 64 KiB of arguments, to nginx", 1.0, "cpu_us", at("call-64k"), at("call-64k", "nginx")),
        ratio("p50 of a call, 1 at once, to nginx", 1.02, "p50_us", at("call", concurrency=1), at("call", "nginx", 1)),
        ratio("p99 of a call, 64 at once, to nginx", 1.3, "p99_us", at("call"), at("call", "nginx")),
        most("RSS idle", 12, "MB", idle_mb),
        most("memory per idle stream", 24, "KiB", held.get("kib_per_stream")),
        least("memory returned after the streams closed", 90, "%", held.get("returned_percent")),
        most("CPU idle", 0.5, "%", idle.get("idle_cpu_percent"), 2),
        ratio("CPU with 10,000 rules, to 10", 1.1, "cpu_us", at("rules-10000"), at("rules-10")),
        ratio("CPU with 100,000 tokens, to 1", 1.1, "cpu_us", at("tokens-100000"), at("tokens-1")),
        ratio("p99 of the honest under attack, to without", 1.5, "p99", hostile, calm),
        most("fetches of keys under attack", fetches_allowed, "times", attacked.get("key_fetches"), 0),
    ]


def write(result, folder, name, also=None):
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1) + "\n"
    (folder / f"{name}.json").write_text(text)
    (folder / f"{name}.md").write_text(markdown(result))
    if also:
        also.write_text(text)
