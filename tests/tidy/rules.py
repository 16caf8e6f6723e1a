"""What tests/tidy holds the tree to, as tables: the only file to change when a folder or a library is added."""

# Folder -> the folders, or single headers without their ending, that it may include besides itself. The longest matching
# folder counts. None: everything.
FOLDERS = {
    "core": [],
    "schemas": ["core"],
    "protocol": ["core"],
    "protocol/reports": ["core"],
    "policy": ["core"],
    "gpu": ["core"],
    "control": ["core"],
    "transport": ["core"],
    "weights/format": ["core", "schemas", "models"],
    "weights/import": ["core", "models", "weights/format"],
    "weights/store": ["core", "models", "transport", "weights/format", "weights/import"],
    "weights/load": ["core", "policy", "gpu", "transport", "weights/format"],
    "models": ["core", "gpu"],
    "engine": ["core", "gpu", "models"],
    "engine/tokenizer": ["core", "weights", "engine"],
    "actors": ["core", "protocol", "policy", "gpu", "control", "transport", "models", "weights", "engine"],
    "actors/device": ["core", "protocol", "policy", "gpu", "transport", "models", "weights", "engine", "actors/actor_from_state", "actors/completion", "actors/local"],
    "actors/membership": ["core", "protocol", "policy", "control", "transport", "actors/actor_from_state", "actors/completion", "actors/local"],
    "actors/serving": ["core", "protocol", "policy", "models", "weights", "actors/actor_from_state", "actors/completion", "actors/local"],
    "actors/store": ["core", "protocol", "transport", "models", "weights", "engine/tokenizer", "actors/actor_from_state", "actors/completion", "actors/local"],
    "rpc": ["core", "schemas", "protocol", "policy/fairness", "policy/turns", "actors", "engine/tokenizer", "weights/format/usage"],
    "clients/cpp": ["core", "schemas", "protocol/reports"],
    "sim": ["core", "policy"],
    "sim/world": ["core", "protocol", "policy", "gpu", "transport", "models", "weights", "engine", "actors"],
    "node": None,
    "node/config": ["core", "schemas", "policy"],
    "node/process": ["core", "node/config", "node/environment", "node/state_folder"],
    "bench": None,
    "cli": None,
    "tools": None,
    "tests": None,
    "cmake": [],
}

# Beginning of an included header -> where it may be included: folders, or single files without their ending.
LIBRARIES = {
    "caf/": ["protocol", "actors", "rpc/bridge", "sim/world", "node", "cli", "tests"],
    "capnp/": ["schemas/by_name", "weights/format/manifest", "weights/format/usage", "rpc", "clients/cpp", "node", "cli", "tests", "tools/abuse"],
    "kj/": ["weights/format/manifest", "weights/format/usage", "rpc", "clients/cpp", "node", "cli", "tests", "tools/abuse", "cmake/kj_for_clang"],
    "ucp/": ["transport/ucx"],
    "ucs/": ["transport/ucx"],
    "uct/": ["transport/ucx"],
    "nccl": ["transport/nccl"],
    "cuda": ["gpu/cuda", "transport/same_host"],
    "cublas": ["gpu/cuda"],
    "nlohmann/": ["core/json"],
    "xxhash": ["weights", "tests/weights"],
    "openssl/": ["control", "tests/control", "weights", "tests/weights", "transport/cluster_secret", "transport/message_tags", "rpc/same_secret", "rpc/tls"],
    "liburing": ["weights", "transport/probe"],
    "sqlite3": ["weights", "tests/weights"],
    "unicode/": ["engine/tokenizer"],
    "spdlog/": ["core"],
    "CLI/": ["cli", "tools"],
    "gtest/": ["tests"],
    "gmock/": ["tests"],
}

# Pattern -> why not. In every source, script and build file.
BANNED = {
    r"-march=native|-mtune=native": "one binary serves every x86-64 host: choose by CPUID",
    r"\b(TODO|FIXME|XXX|HACK)\b": "finish it, or write an issue",
    r"\t": "spaces, not tabs",
}

# The same, in C++ only.
BANNED_CPP = {
    r"\b(src|dst)\b": "say source and target",
    r"\bstd::this_thread::sleep": "wait for an event or a timer, not for time",
    r"\btesting::TempDir\(\)": "tests run beside each other: tests/support/temporary_folder gives each its own",
    r"\busing namespace std\s*;": "name what you use",
    r"^#\s*(if|ifdef|ifndef)\b.*\b(USE_|HAVE_|WITH_)": "backends are files chosen by CMake, not #ifdef",
}

# (beginning of a path, beginning of what was found): exceptions to the above, each with its reason.
EXCEPTIONS = {
    ("tests/support/temporary_folder", "testing::TempDir"): "makes the folders of the others",
    ("node/", "std::this_thread::sleep"): "processes and locks of others, which tell nobody when they end",
    ("cli/", "std::this_thread::sleep"): "commands poll other processes, which tell nobody when they end",
    ("tests/integration/real_binary.cpp", "std::this_thread::sleep"): "real processes tell nobody when their state changes",
    ("tools/", "std::this_thread::sleep"): "the demo keeps the pace of a recorded trace",
    ("bench/", "std::this_thread::sleep"): "benchmarks let the machine settle between repetitions",
}

MOST_LINES = 600

# Where texts of errors reach users as they are: the command line, clients, tenants, publishers.
ERROR_TEXT_FOLDERS = ("cli/", "clients/", "rpc/", "actors/serving/", "actors/store/", "core/input_limits", "core/names",
                      "core/network_address", "node/config/", "node/state_folder", "node/process/", "models/")

# What a text looks like that tells its reader what to do or what would be right.
SAYS_WHAT_TO_DO = (r"`|expected|at most|at least|instead|again|one of|between|\bmust\b|\bonly\b|limit|are served|there (are|is)|\{\} to \{\}"
                   r"|\b(use|give|run|try|raise|remove|shorten|add|send|ask|publish|wait|choose|look|restart|start|stop|set|make|write|say"
                   r"|leave|put|split|free|enlarge|lower|mend|close|take|resize|check|configure|needs|knows|convert)\b")

# Texts that need none: (a part of it): why.
ERROR_TEXT_EXCEPTIONS = {
    "nobody waits for the answer": "nobody reads it",
    "the load was not reported": "of a benchmark: a fault of the program",
    "is no canonical text": "damage, whose remedy stands in core/error_table",
    "{} has {} shards, {} given": "a fault of the program",
    "shard {} of {} is {} bytes": "a fault of the program",
    "config.json: {}": "puts the file before a text that does",
    "bytes in {} chunks": "damage, whose remedy stands in core/error_table",
    "{} shards, expected": "damage, whose remedy stands in core/error_table",
}
