# How a published model wants to be asked and its answers to be read; a part of its card (weights/format/usage.hpp).
@0xb6d1f3a9c0e84d27;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("fastptm::schema");

struct Usage {
  format @0 :UInt16; # 1; readers refuse others
  prompts @1 :List(Prompt);
  defaultPrompt @2 :Text; # the name of the one that stands before every text; empty: none does
  poolsPrompt @3 :Bool;   # whether the prompt's tokens count in the pooling
  labels @4 :List(Text);  # by index; empty: the model has none
  scoring @5 :UInt8;      # of weights/format/usage.hpp
}

struct Prompt {
  name @0 :Text;
  text @1 :Text;
}
