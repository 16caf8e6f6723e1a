# What FastPTM is compared with: one-host.capnp's memory, first come first served, every load from disk.
@0xc1a2f5b07d9e4433;

using Config = import "/schemas/config.capnp";

const cluster :Config.Cluster = (
  nodes = [
    # Just enough for what is being read: nothing is kept in front of the disk.
    (name = "head", roles = [head, store], hostCacheMib = 160),
    (name = "worker-0", roles = [worker], devices = [(name = "host0", arenaMib = 288, threads = 1)]),
    (name = "worker-1", roles = [worker], devices = [(name = "host0", arenaMib = 288, threads = 1)]),
    (name = "worker-2", roles = [worker], devices = [(name = "host0", arenaMib = 288, threads = 1)]),
  ],
  tenants = [(name = "acme"), (name = "globex"), (name = "initech"), (name = "umbrella")],
  scheduling = (strategy = "fcfs"),
  transfers = (sources = [disk]),
);
