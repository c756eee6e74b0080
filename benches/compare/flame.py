#!/usr/bin/env python3
"""Draws a flame graph of a running gateway: what its CPU time is spent on, by stack.

    perf record -F 499 -g --call-graph dwarf -p PID -o perf.data sleep 4      # under load; a build with names (profile `profiling`)
    perf script --no-inline -i perf.data | benches/compare/flame.py > call.svg
"""

import html
import re
import sys
from collections import Counter

WIDTH, ROW, LEAST = 1200, 17, 0.2  # pixels, pixels, per cent of all that is still drawn
# Wrappers that every stack has: they say nothing.
NOISE = re.compile(
    r"^(core::|std::|alloc::|<?tokio::runtime|tokio::task|<.* as core::future|__libc|_start|start_thread|clone3|"
    r"\[unknown\]|thread_start|pingora_runtime|entry_SYSCALL|do_syscall|x64_sys_call|ret_from_fork|asm_|__x64_sys)"
)


def name(frame):
    frame = re.sub(r"\+0x[0-9a-f]+$", "", frame)
    frame = re.sub(r"::h[0-9a-f]{16}$", "", frame)
    frame = re.sub(r"<([^<>]*::)?([A-Za-z]+)(<.*>)? as [^>]*>", r"\2", frame)
    frame = re.sub(r"(::\{\{closure\}\}|::\{closure[^}]*\})+", "", frame)
    return frame


def stacks(lines):
    frames = []
    for line in lines:
        if line.strip() and not line[0].isspace():
            frames = []
        elif line.strip():
            found = re.match(r"\s+[0-9a-f]+ (.+) \((.*)\)$", line.rstrip())
            if found:
                frames.append(name(found[1]))
        elif frames:
            stack = []
            for frame in reversed(frames):
                if not NOISE.match(frame) and (not stack or stack[-1] != frame):
                    stack.append(frame)
            yield tuple(stack) or ("other",)
            frames = []


def tree(counts):
    root = {"all": 0, "of": {}}
    for stack, count in counts.items():
        node = root
        node["all"] += count
        for frame in stack:
            node = node["of"].setdefault(frame, {"all": 0, "of": {}})
            node["all"] += count
    return root


def colour(frame):
    if frame.startswith("toolgate") or "gateway::" in frame:
        return "#d9822b"  # ours
    if re.match(r"(<?pingora|tokio|hyper|http|httparse|_rjem|bytes|aws_lc|mio)", frame):
        return "#5c8bc4"  # libraries
    return "#a9a9a9"  # the system


def boxes(node, left, width, depth, total):
    for frame, child in sorted(node["of"].items(), key=lambda item: -item[1]["all"]):
        wide = width * child["all"] / node["all"]
        share = 100 * child["all"] / total
        if share >= LEAST:
            yield frame, left, wide, depth, share
            yield from boxes(child, left, wide, depth + 1, total)
        left += wide


def main():
    counts = Counter(stacks(sys.stdin))
    total = sum(counts.values())
    if not total:
        sys.exit("flame.py: no stacks on standard input")
    drawn = list(boxes(tree(counts), 0, WIDTH, 0, total))
    height = (max(box[3] for box in drawn) + 2) * ROW
    print(f'<svg style="background:white" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="11">')
    for frame, left, wide, depth, share in drawn:
        top = height - (depth + 2) * ROW
        label = html.escape(frame)
        short = html.escape(frame[: max(0, int(wide / 6.7) - 1)])
        print(f'<g><title>{label} ({share:.1f} %)</title>'
              f'<rect x="{left:.1f}" y="{top}" width="{max(wide - 0.5, 0.5):.1f}" height="{ROW - 1}" fill="{colour(frame)}"/>'
              f'<text x="{left + 2:.1f}" y="{top + 12}">{short}</text></g>')
    print(f'<text x="2" y="{height - 4}">{total} samples; orange: toolgate, blue: libraries, grey: the system</text></svg>')


if __name__ == "__main__":
    main()
