# A cluster: its nodes, tenants, limits and policies. A configuration is a constant `cluster` of type Cluster.
#
# Every bound that a user may want to change stands here with its reason; the others stand beside what they bound. Sizes
# are in MiB, times in milliseconds, as their names say.
#
# A knob is a field here, with its text, its default and its bounds; a field of the same name in node/config/config.hpp,
# in microseconds and bytes; and the place that uses it.
@0xc4e4a43ef72ff609;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("fastptm::schema");

struct Bound {
  # What a number may be; checked when a configuration is read, and told with its reason.
  atLeast @0 :UInt64;
  atMost @1 :UInt64 = 18446744073709551615;
  field @2 :Text;
  # Another field of the same struct: at least `times` as much as that one.
  times @3 :UInt64 = 1;
  because @4 :Text;
}
annotation bound @0xc25d2d09dbd125b4 (field) :Bound;

struct Cluster {
  nodes @0 :List(Node);
  # Exactly one has the role head; the store role is on the head's node.

  tenants @1 :List(Tenant);
  # Who may publish and ask. `up` makes a token for each in the state folder.

  gateway @2 :Gateway = ();
  scheduling @3 :Scheduling = ();
  liveness @4 :Liveness = ();
  transfers @5 :Transfers = ();
  quotas @6 :Quotas = ();
}

enum Role {
  head @0;    # scheduler, directory, gateway, tenants, catalogue: one per cluster
  store @1;   # disk objects, host cache, publishing
  worker @2;  # executes on its devices
}

struct Node {
  name @0 :Text;
  # Unique; lower-case letters, digits and dashes, at most 32.

  roles @1 :List(Role);

  address @2 :Text = "127.0.0.1";
  # An address of the machine the node runs on: IPv4, IPv6, or a name that resolves on every machine of the cluster. The
  # node's sockets bind to this address only (of a name to the first that its machine has, IPv4 before IPv6), and the
  # other nodes reach it there. `fastptm up` starts the nodes whose address belongs to the machine it runs on.

  controlPort @3 :UInt16 = 0;
  # Where the head listens for the other nodes. 0: chosen by the system and found in the state folder, which only works for
  # nodes of the same machine.

  dataPort @4 :UInt16 = 0;
  # Where peers connect to fetch weights. 0: chosen by the system; peers learn it when the node joins.

  devices @5 :List(Device);
  # Of a worker: at least one. One device per node is the usual layout: a fault then takes one device.

  hostCacheMib @6 :UInt32 = 1024;
  # Of a store: memory that keeps shards in front of the disk, mapped by the workers of this machine. Reserved at
  # start; 64 MiB are there at once, the rest comes within seconds.

  sources @7 :List(SourceKind);
  # Where this node's loads may come from, instead of transfers.sources; empty: as there.
}

enum DeviceKind { host @0; cuda @1; }

struct Device {
  name @0 :Text = "host0";
  # Unique within its node. Shown as NODE/NAME.

  kind @1 :DeviceKind = host;

  arenaMib @2 :UInt32 = 256
    $bound(atLeast = 1, because = "weights have to go somewhere");
  # The one slab that weights live in, reserved at start. A model that is larger than every arena is refused at publish.

  threads @3 :UInt16 = 1
    $bound(atLeast = 1, atMost = 256, because = "they are cores of one machine");
  # Cores that one execution uses on a host device. The sum over the nodes of a machine should not exceed its cores.
}

enum LateRule { serve @0; refuse @1; }

struct Tenant {
  name @0 :Text;
  # Unique; lower-case letters, digits, dashes and underscores, at most 32, a letter or digit first.

  share @1 :UInt32 = 1
    $bound(atLeast = 1, atMost = 10000, because = "without a share it would never be served");
  # Weight among the tenants when there is more work than devices.

  maxInFlight @2 :UInt32 = 4096
    $bound(atLeast = 1, because = "else it could ask nothing");
  # Requests accepted and not answered. More are refused at once with a hint when to retry: a queue longer than what a few
  # seconds can serve only turns into late answers. 4096 of 512 tokens are 8 MiB.

  maxModels @3 :UInt32 = 10000;
  # Published names and versions: a row in the catalogue and a queue in the scheduler each. `unpublish` makes room.

  late @4 :LateRule = serve;
  # A request that cannot be on time any more is served when nothing else waits (its status says late), or refused at once
  # (deadline_exceeded) for callers that have no use for a late answer.
}

struct Gateway {
  address @0 :Text = "127.0.0.1";
  # Where clients connect: IPv4, IPv6 or a name; 0.0.0.0 or :: for every interface. Elsewhere than on loopback with TLS, or
  # `insecure`: the protocol itself carries the token in the clear.

  port @1 :UInt16 = 0;
  # 0: chosen by the system and found in the state folder.

  adminPort @2 :UInt16 = 0;
  # Administration; always on loopback.

  httpPort @3 :UInt16 = 0;
  # /metrics, /healthz, /readyz.

  maxConnections @4 :UInt32 = 512
    $bound(atLeast = 1, because = "else nobody could connect");
  # Of tenants that have logged in, all together; each costs a descriptor and at most the flow limit below of memory. Half
  # of them is set aside for the tenants in equal parts; a login beyond that and the other half is refused.

  loginTimeoutMs @5 :UInt32 = 5000
    $bound(atLeast = 100, because = "a login is a round trip");
  # A connection that has not logged in by then is closed.

  maxMessageKib @6 :UInt32 = 4096
    $bound(atLeast = 2048, because = "an upload comes in pieces of 1 MiB");
  # The largest message a client may send: an upload chunk (1 MiB) or one input with room to spare.

  flowLimitKib @7 :UInt32 = 8192
    $bound(field = "maxMessageKib", because = "a message that does not fit would never be read");
  # Bytes of calls in progress per connection; beyond it the connection is not read.

  callTimeoutMs @8 :UInt32 = 60000
    $bound(atLeast = 1000, because = "a load and its run take a part of a second");
  # No call outlives this; a request that waits longer than a minute has no reader left. Where scheduling.maxDeadlineMs
  # and the patience after it are longer, these count: a request is answered, not broken off.

  maxUploadMib @9 :UInt32 = 8192;
  # Of one published folder: larger weights than the largest arena are refused anyway.

  maxUploads @10 :UInt32 = 4
    $bound(atLeast = 1, because = "else nobody could publish");
  # Of one tenant at once: each is a folder in the spool until it is published, its connection ends, or nothing has come
  # for quotas.uploadIdleMs.

  maxTextKib @11 :UInt32 = 64;
  # Of one input as text; far more than any model here reads (512 tokens).

  tokenizerCache @12 :UInt32 = 16
    $bound(atLeast = 1, because = "a text is read with one that is kept");
  # Tokenizers kept in memory, about 10 MiB each.

  httpAddress @13 :Text = "127.0.0.1";
  # Where the HTTP pages listen, as `address`. They ask nobody for a token and name tenants and nodes: elsewhere than on
  # loopback only where a prober or Prometheus comes by a private network.

  maxConnectionsPerTenant @14 :UInt32 = 128
    $bound(atLeast = 1, because = "else nobody could connect");
  # Of maxConnections. A connection carries as many requests at once as its tenant may have: who needs more of them has
  # more machines.

  maxStrangers @15 :UInt32 = 128
    $bound(field = "maxStrangersPerAddress", because = "else one address could take all of them");
  # Connections that have not logged in (yet), to the gateway, and as many to administration. The oldest goes for the
  # newest: to log in takes a round trip. Each costs a descriptor and at most 200 KiB.

  maxStrangersPerAddress @16 :UInt32 = 64
    $bound(atLeast = 1, because = "whoever logs in was a stranger before");
  # Of them, those that come from one IPv4 address or one /64 of IPv6: the clients behind one router that log in during one
  # round trip.

  maxHttpConnections @17 :UInt32 = 64
    $bound(atLeast = 4, because = "a prober, Prometheus and who looks want one each");
  # The pages ask nobody who he is: the oldest goes for the newest. Each costs a descriptor and at most 128 KiB.

  maxAdminConnections @18 :UInt32 = 64
    $bound(atLeast = 2, because = "one watches while another acts");
  # That have logged in to administration.

  tlsCertificate @19 :Text;
  # A PEM file, its path from the state folder: the gateway's certificate, which names the host that clients connect to, and
  # those between it and its authority. With it `port` speaks TLS only; `--state` on this machine goes another way.

  tlsKey @20 :Text;
  # A PEM file with the certificate's key, of mode 0600. An elliptic one costs a tenth of an RSA one at each connection.

  insecure @21 :Bool = false;
  # The gateway may listen without TLS elsewhere than on loopback: whoever carries its packets can be every tenant.
}

struct Quotas {
  # What one tenant may occupy of the head, all of its connections together, so that none crowds out the others. Beyond
  # it the tenant's connections are not read for a moment, or a call is refused.

  maxCalls @0 :UInt32 = 128
    $bound(atLeast = 1, because = "else it could ask nothing");
  # In progress, requests (maxInFlight) not counted: each is answered within milliseconds, so that these are thousands of
  # calls in each second.

  maxHandles @1 :UInt32 = 8192
    $bound(atLeast = 16, because = "a client holds its tenant and each model that it asks");
  # Models, uploads and files that clients hold: about 2 KiB each. `quota_exceeded` beyond.

  maxUnfinished @6 :UInt32 = 65536
    $bound(atLeast = 64, because = "a call is finished when its answer has been read");
  # Calls whose answers clients still hold: some hundred bytes each. Clients finish a call when they have read its answer;
  # a connection with one more is cut off.

  maxUnreadKib @2 :UInt32 = 256;
  # Of answers that a connection does not take; until it does it is not read. A screen of reports is 10 KiB.

  maxQueuedTextKib @3 :UInt32 = 8192;
  # Texts that wait for their tokenizer, which reads those of all tenants in turn. As much is read within a second or two;
  # what waits longer is late. `quota_exceeded` beyond.

  maxSpoolMib @4 :UInt32 = 16384;
  # Announced by uploads that run: two of the largest at once.

  uploadIdleMs @5 :UInt32 = 60000
    $bound(atLeast = 100, because = "a file takes its time");
  # An upload from which nothing comes for so long has ended; a client sends as fast as it reads its disk.
}

struct Scheduling {
  strategy @0 :Text = "dxv";
  # dxv, omls, omls_clean, fcfs, edf, sjf, affinity, least_loaded, round_robin: docs/scheduling.md says when.

  defaultDeadlineMs @1 :UInt32 = 3000
    $bound(atLeast = 1, because = "nothing is answered in no time");
  # Of a request that names none.

  maxDeadlineMs @2 :UInt32 = 60000
    $bound(field = "defaultDeadlineMs", because = "else the default would be cut, too");
  # Longer deadlines are cut to this: a request nobody waits for must not occupy its tenant's quota.

  maxBatch @3 :UInt32 = 8
    $bound(atLeast = 1, because = "a batch has a request");
  # Requests that run together on one device. On host devices a larger batch gains no throughput and delays its neighbours.

  maxBatchMs @10 :UInt32 = 100;
  # Fewer run together where that many would take longer, as far as measured: a batch is not interrupted, and whoever comes
  # meanwhile waits for it. Where running together saves less than half of the time, as on host devices, beyond a fifth of
  # this. 0: as long as they take.

  maxQueued @4 :UInt32 = 65536
    $bound(atLeast = 1, because = "else every request would be refused");
  # Requests waiting in the scheduler, all tenants together.

  holdPercent @5 :UInt32 = 0;
  # Rent or buy: a set is loaded once its requests have waited this much of the load's time, all together. 0: at once, which
  # gives the best latencies; 400 to 1600 move fewer bytes where links are what is scarce.

  holdGuardMs @6 :UInt32 = 400;
  # A request whose slack is below this is never held.

  slackScaleMs @7 :UInt32 = 0;
  # How fast a model's claim falls with the slack of its first request. 0: a fifth of the time that the request was given;
  # anything from a tenth to a third does about as well.

  latePatienceMs @8 :UInt32 = 60000;
  # How long after its deadline a request is still served (tenants with the late rule serve); none waits for ever.

  fairWindowMs @9 :UInt32 = 500;
  # How much device time beyond its share a tenant may take before others that wait go first. Smaller is fairer at once
  # and switches more.
}

struct Liveness {
  heartbeatMs @0 :UInt32 = 250
    $bound(atLeast = 10, because = "more often only costs");
  # How often a node renews its lease.

  leaseMs @1 :UInt32 = 1000
    $bound(field = "heartbeatMs", times = 2, because = "one late heartbeat is no death");
  # Without renewal for this long a node counts as lost and its requests go elsewhere: four missed heartbeats.

  connectTimeoutMs @2 :UInt32 = 1000;
  # Of one attempt to reach the head. One to reach a source of weights has twice as long: what is lost of a connection's
  # beginning is sent again after a second.

  shutdownMs @3 :UInt32 = 5000
    $bound(atLeast = 500, because = "what runs needs time to end");
  # An ordered stop that takes longer is ended by the node's own watchdog.
}

enum SourceKind { peerDevice @0; peerHost @1; hostCache @2; disk @3; }

struct Transfers {
  sources @0 :List(SourceKind) = [peerDevice, peerHost, hostCache, disk];
  # Where weights may come from. Fewer only to compare sources. What a device has already, for another model, never moves.

  ucxTransports @1 :Text = "tcp,cma";
  # How bytes travel between nodes. tcp: our own sockets, which let nobody in without the cluster's secret. cma: beside
  # it, direct copies between processes of one machine. With the name of a fabric (rc, dc, ud and others) this is
  # UCX_TLS, and the data port is UCX's, which trusts whoever reaches it: only where the cluster alone reaches the fabric.

  copyThreads @2 :UInt16 = 2;
  # Same-machine copies with their checksums. Two reach the memory bandwidth of a small machine: each also hashes.

  verifyThreads @3 :UInt16 = 1;
  # Checksums of chunks that arrived over the network.

  loadTimeoutMs @4 :UInt32 = 30000;
  # A load for which no chunk arrived for so long is given up and tried elsewhere; as long as chunks come it goes on.

  scrubMibPerSecond @5 :UInt32 = 110;
  # How fast devices check again what they hold, for memory that has changed by itself: at 110 a GiB takes ten seconds and
  # one to two per cent of a core, and gives way to whatever computes. A round takes at most ten minutes, whatever this says.
  # 0: only what somebody found wrong.
}
