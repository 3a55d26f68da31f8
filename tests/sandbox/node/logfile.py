"""Reading the end of files: container logs and termination messages."""

from pathlib import Path

MAX_MESSAGE_BYTES = 4096
FALLBACK_LOG_BYTES = 2048
FALLBACK_LOG_LINES = 80
_BLOCK = 8192


def tail_offset(path: Path, lines: int) -> int:
    """Where the last `lines` lines of the file begin, in bytes."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        if lines == 0:
            return end
        position, found = end, 0
        while position > 0:
            start = max(0, position - _BLOCK)
            file.seek(start)
            block = file.read(position - start)
            for index in range(len(block) - 1, -1, -1):
                # A newline at the very end closes the last line; it begins none.
                if block[index] == 0x0A and start + index != end - 1:
                    found += 1
                    if found == lines:
                        return start + index + 1
            position = start
    return 0


def read_end(path: Path, limit: int) -> str:
    """The last `limit` bytes of a file as text; empty when there is no such file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - limit))
            return file.read(limit).decode(errors="replace")
    except FileNotFoundError:
        return ""


def termination_message(message_file: Path, log: Path, policy: str, exit_code: int) -> str:
    """What the container left in its termination log, or the end of its output when the policy allows that."""
    message = read_end(message_file, MAX_MESSAGE_BYTES)
    if message or policy != "FallbackToLogsOnError" or exit_code == 0 or not log.exists():
        return message
    start = max(tail_offset(log, FALLBACK_LOG_LINES), log.stat().st_size - FALLBACK_LOG_BYTES)
    return log.read_bytes()[start:].decode(errors="replace")
