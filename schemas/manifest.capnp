# What a weight set consists of. The canonical single-segment encoding of Manifest is what a set is named by (SHA-256).
@0xa3f823cc2a3103a2;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("fastptm::schema");

struct Manifest {
  format @0 :UInt16;             # 2; 1 is read, too; readers refuse others
  architecture @1 :Architecture; # format 1 only
  task @2 :Task;
  shards @3 :List(Shard); # embeddings, layers in order, head if the task has tensors of its own

  family @4 :Text;        # a name of models/registry.cpp
  configuration @5 :Text; # the family's numbers, models/canonical.hpp
  dtype @6 :UInt8;
  layoutTag @7 :UInt32;   # 0: plain row-major
}

# Numbers of dtype, task and pooling are those of models/architecture.hpp and core/task.hpp.

# The family is 0, bert; its activation as in models/encoder/config.hpp.
struct Architecture {
  family @0 :UInt8;
  dtype @1 :UInt8;
  activation @2 :UInt8;
  layoutTag @3 :UInt32; # 0: plain row-major
  hidden @4 :UInt32;
  layers @5 :UInt32;
  heads @6 :UInt32;
  intermediate @7 :UInt32;
  vocabulary @8 :UInt32;
  positions @9 :UInt32;
  tokenTypes @10 :UInt32;
  layerNormEps @11 :Float64;
}

struct Task {
  kind @0 :UInt8;
  pooling @1 :UInt8;
  normalize @2 :Bool;
  hasPooler @3 :Bool;
  labels @4 :UInt32;
  maxTokens @5 :UInt32;
}

struct Shard {
  digest @0 :Data; # SHA-256 of the shard's bytes, 32 bytes
  sizeBytes @1 :UInt64;
  chunkChecksums @2 :List(UInt64); # one per 4 MiB; docs/weight_format.md defines the checksum
}
