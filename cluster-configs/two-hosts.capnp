# Two machines in one private network: the head, its store and a worker on the first, a worker on the second.
#
# On the first machine run `fastptm node-credentials two-hosts.capnp worker-b --state DIR --out FOLDER`, and copy FOLDER to the
# second as its DIR. Then run `fastptm up two-hosts.capnp --state DIR` on each: it starts the nodes whose address belongs to
# the machine.
@0xdea1bbf53ea27400;

using Config = import "/schemas/config.capnp";

const cluster :Config.Cluster = (
  nodes = [
    (name = "head", roles = [head, store], address = "10.77.0.1", controlPort = 7600, dataPort = 7601, hostCacheMib = 384),
    (name = "worker-a", roles = [worker], address = "10.77.0.1", devices = [(name = "host0", arenaMib = 288, threads = 1)]),
    (name = "worker-b", roles = [worker], address = "10.77.0.2", devices = [(name = "host0", arenaMib = 288, threads = 1)]),
  ],
  tenants = [(name = "acme"), (name = "globex")],

  # Between machines only the network is there; naming it alone keeps two network namespaces of one kernel honest, too.
  transfers = (ucxTransports = "tcp"),
);
