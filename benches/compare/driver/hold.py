"""Holds many connections open, as a process of its own: streams in which nothing happens, or hostile ones.

    hold.py streams PORT COUNT TOKENS    event streams; prints `open COUNT` when all have begun
    hold.py slow PORT COUNT TOKENS       requests whose bodies come a byte a second, begun again when refused
    hold.py half PORT COUNT              connections on which a request never gets beyond its first line

Ends when its standard input is closed, and all its connections with it.
"""

import asyncio
import sys

HEAD = (
    "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json, text/event-stream\r\n"
    "MCP-Protocol-Version: 2025-11-25\r\nAuthorization: Bearer {token}\r\n"
)


async def stream(port, token):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
    writer.write((HEAD.format(method="GET", path="/mcp", token=token) + "\r\n").encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    if b" 200 " not in head.splitlines()[0]:
        raise RuntimeError(head.splitlines()[0].decode())
    return reader, writer


async def streams(port, count, tokens):
    held = []
    for start in range(0, count, 50):
        numbers = range(start, min(start + 50, count))
        held += await asyncio.gather(*(stream(port, tokens[number % len(tokens)]) for number in numbers))
    print(f"open {len(held)}", flush=True)
    return held


async def slow(port, token):
    head = HEAD.format(method="POST", path="/mcp", token=token)
    head += "Content-Type: application/json\r\nContent-Length: 4096\r\n\r\n{"
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head.encode())
            while not writer.is_closing():
                await writer.drain()
                await asyncio.sleep(1)
                writer.write(b" ")
        except OSError:
            await asyncio.sleep(1)


async def half(port):
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /mcp HTTP/1.1\r\n")
            await reader.read(1)  # until it is closed
            writer.close()
        except OSError:
            pass
        await asyncio.sleep(1)


async def main(what, port, count, *files):
    port, count = int(port), int(count)
    tokens = []
    if files:
        with open(files[0], encoding="ascii") as file:
            tokens = file.read().split()
    tasks = []
    if what == "streams":
        _held = await streams(port, count, tokens)  # closed when forgotten
    elif what == "slow":
        tasks = [asyncio.create_task(slow(port, tokens[number % len(tokens)])) for number in range(count)]
    else:
        tasks = [asyncio.create_task(half(port)) for _ in range(count)]
    if tasks:
        print(f"open {len(tasks)}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()
    del tasks


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except (OSError, RuntimeError, asyncio.IncompleteReadError) as error:
        sys.exit(f"hold: {error!r}")
