# For gdb: runs a program and reports what the Swift runtime makes lazily after the library's first call has made all that it
# knows of (Sources/FlashVIDABI/Rehearsal.swift). A forked child can wait for such a thing for ever.
#
#   gdb -q -batch -x made_lazily.py --args PROGRAM [ARGUMENT...]      with an unstripped library; fails if anything is
import gdb

ENTRIES = [
    "swift::threading_impl::once_slow",
    "swift_getGenericMetadata",
    "swift_getTypeByMangledNameInContext",
    "swift_getTypeByMangledNameInContext2",
    "swift_getTypeByMangledNameInContextInMetadataState2",
    "swift_getSingletonMetadata",
    "swift_conformsToProtocolCommon",
    "swift_getAssociatedTypeWitnessSlow",
    "swift_getAssociatedConformanceWitnessSlow",
    "swift_getTupleTypeMetadata",
    "swift_getTupleTypeMetadata2",
    "swift_getTupleTypeMetadata3",
    "swift_getFunctionTypeMetadata",
    "swift_getFunctionTypeMetadata1",
    "swift_getFunctionTypeMetadata2",
    "swift_getMetatypeMetadata",
    "swift_getExistentialTypeMetadata",
    "swift_getForeignTypeMetadata",
    "swift_getWitnessTable",
    "swift_getKeyPath",
]
found = {}


class Entry(gdb.Breakpoint):
    def stop(self):
        frames, frame = [], gdb.newest_frame()
        while frame and len(frames) < 60:
            frames.append(frame.name() or "?")
            frame = frame.older()
        # The loader's own, and the rehearsal.
        if not any(name == "flashvid_process_prepare" or name.startswith(("call_init", "_dl_")) for name in frames):
            ours = [name for name in frames if "FlashVID" in name or name.startswith("flashvid_")]
            key = (frames[0], ours[0] if ours else frames[-1])
            found[key] = found.get(key, 0) + 1
        return False


for setting in ("pagination off", "confirm off", "breakpoint pending on", "print thread-events off"):
    gdb.execute("set " + setting)
for signal in ("SIGUSR1", "SIGALRM", "SIGSEGV"):
    gdb.execute("handle " + signal + " nostop noprint pass", to_string=True)
gdb.execute("break main", to_string=True)
gdb.execute("run", to_string=True)
entries = [Entry(name) for name in ENTRIES]
missing = [entry.location for entry in entries if entry.pending]
gdb.execute("continue", to_string=True)
for (entry, caller), count in sorted(found.items()):
    print("made lazily: %s by %s, %d times" % (entry, caller, count))
code = gdb.parse_and_eval("$_exitcode")
print("made lazily: %d things, %d of %d entries watched" % (len(found), len(entries) - len(missing), len(entries)))
gdb.execute("quit %d" % (found != {} or len(missing) > 6 or str(code) != "0"))
