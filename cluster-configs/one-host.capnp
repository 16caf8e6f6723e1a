# One machine, no accelerator: a head with the store, and three workers with a host device each. Start here.
@0xf0dec9fb915453ec;

using Config = import "/schemas/config.capnp";

const cluster :Config.Cluster = (
  nodes = [
    # The host cache holds four MiniLMs (91 MB each), so that a fifth model shows what the disk costs.
    (name = "head", roles = [head, store], hostCacheMib = 384),

    # An arena holds three MiniLMs: with more models than that, weights must move.
    (name = "worker-0", roles = [worker], devices = [(name = "host0", arenaMib = 288, threads = 1)]),
    (name = "worker-1", roles = [worker], devices = [(name = "host0", arenaMib = 288, threads = 1)]),
    (name = "worker-2", roles = [worker], devices = [(name = "host0", arenaMib = 288, threads = 1)]),
  ],
  tenants = [(name = "acme"), (name = "globex"), (name = "initech"), (name = "umbrella")],
);
