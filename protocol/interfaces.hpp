// The protocol of the runtime: every actor with several users, and a sentence for every message it takes from them.
// The publisher (actors/store) and the gateway's asker (rpc/bridge) have one user, and stand with it.
// What an actor tells itself (timers, completions) it adds with extend<> in its own header.
// Every request between actors has a finite timeout. An error is a core::error (protocol/errors). `stop_atom` is sent
// with high priority: the actor refuses what is new, ends what runs, answers every promise it holds, and quits.
#pragma once

#include "protocol/messages.hpp"

namespace fastptm::protocol {

template <class... Xs> using takes = caf::reacts_to<Xs...>;
template <class... Xs> using asked = caf::replies_to<Xs...>;

// GPU_WORKER, one per device, on the device's node: keeps sets resident, runs batches.
using gpu_worker_actor = caf::typed_actor<
    // From its supervisor: the node has joined. Loads of an earlier registration are given up; the device and its
    // holdings are reported to the directory, which then tells the scheduler.
    takes<attach_order>,
    // From the scheduler: make a set resident; does_not_fit, unavailable (no source left), cancelled.
    asked<load_order>::with<load_reply>,
    // From the scheduler: the load is no longer wanted.
    takes<cancel_atom, core::load_id>,
    // From the scheduler: remove a set; waits until runs on it have ended. Answers the bytes that became free.
    asked<evict_order>::with<uint64_t>,
    // From the scheduler: inputs of a batch, in parts, ahead of its run_order.
    takes<batch_inputs>,
    // From the scheduler: run it; outputs go back in parts ahead of the answer.
    asked<run_order>::with<run_reply>,
    // From its supervisor: a node is dead; running transfers stop reading from it.
    takes<node_lost>,
    // From the directory: whoever read this copy got wrong bytes. It is looked at before anything else.
    takes<suspect>,
    // From its supervisor: see above.
    takes<stop_atom>>;

// TRANSFER, one per load, spawned by a gpu_worker: drives one weights::loader to its end.
using transfer_actor = caf::typed_actor<
    // From its gpu_worker: a source is dead.
    takes<node_lost>,
    // From the directory, until the transfer ends: what is new since its answer to locate_request.
    takes<holder_list>,
    // From the weight store, before the answer to a stage_request.
    takes<stage_progress>,
    // From its gpu_worker: give up.
    takes<cancel_atom>>;

// SCHEDULER, one per cluster: feeds the scheduling core with what happens and carries out what it decides.
using scheduler_actor = caf::typed_actor<
    // From a tenant: an admitted request. Always answered with a reply, at the latest shortly after its deadline.
    asked<schedule_request>::with<infer_reply>,
    // From a tenant: the answer to this ticket is no longer wanted.
    takes<cancel_atom, core::tenant_id, uint64_t>,
    // From the weight store: a model can be asked for.
    takes<model_added>,
    // From the weight store: a model is taken back. Its queued requests are answered with not_found at once. Answered
    // when its running ones have been answered too and no device holds it.
    asked<model_removed>::with<bool>,
    // From the directory: a device can be used.
    takes<device_joined>,
    // From the directory: it cannot any more; its requests are queued again at once.
    takes<device_lost>,
    // From a gpu_worker: outputs of a batch, ahead of its run_reply.
    takes<batch_outputs>,
    // From a gpu_worker: a piece of one answer of a batch that runs.
    takes<batch_part>,
    // From the directory: use the device no more (true) or again (false).
    takes<cordon_atom, std::string, bool>,
    // From administrators: remove a model (by full name) from a device; answers the bytes that became free.
    asked<evict_atom, std::string, std::string>::with<uint64_t>,
    // From administrators: why a model (by full name) is served where it is, or not; not_found.
    asked<explain_atom, std::string>::with<explanation>,
    // From administrators: queues, loads and what the lanes run.
    asked<plans_atom>::with<plan_list>,
    // From the supervisor: see above.
    takes<stop_atom>>;

// LEDGER, one per cluster, beside the directory: answers who asks what was loaded and how the nodes stand.
using ledger_actor = caf::typed_actor<
    // From the directory: what a transfer reads from; how a load went, and once more when its set has left the device.
    takes<running_load>, takes<load_report>,
    // From the directory: nodes of the configuration, as they stand now: at first all of them, then those that changed.
    takes<node_list>,
    // From administrators: all of them, in the order of the configuration.
    asked<nodes_atom>::with<node_list>,
    // From the gateway and administrators: the last n loads of a tenant's models (empty: everybody's).
    asked<loads_atom, uint32_t, std::string>::with<load_list>,
    // From administrators: the loads that run now.
    asked<running_atom>::with<running_list>,
    // From the supervisor: see above.
    takes<stop_atom>>;

// ENTRANCE, one per connection, on the head, the actor that nodes connect to: passes on to the directory.
using entrance_actor = caf::typed_actor<
    // From a node before joining: its protocol version and name. Answers a nonce; version_mismatch, permission_denied
    // (another name than its certificate's).
    asked<hello_atom, uint32_t, std::string>::with<std::string>,
    // From a node: permission_denied (wrong secret), already_exists (a live node has the name).
    asked<join_request>::with<join_reply>>;

// DIRECTORY, one per cluster: who is alive, who holds what, what was loaded. What a node tells it of its devices carries
// the registration that its join was answered with; what carries another, or tells of others' devices, is ignored.
using directory_actor = caf::typed_actor<
    // From an entrance, with what the directory knows its entrances by: as there.
    asked<hello_atom, uint32_t, std::string, std::string>::with<std::string>,
    // From an entrance: as there.
    asked<join_request>::with<join_reply>,
    // From a joined node: still alive. not_found: the lease is over, join again.
    asked<renew_atom, registration_id>::with<bool>,
    // From a joined node: it is about to stop.
    takes<leave_atom, registration_id>,
    // From a gpu_worker: what its device is now. The first one of a registration makes the device usable.
    takes<registration_id, device_row>,
    // From a gpu_worker: verified shards that others may read, or the first chunks of those that it is loading.
    takes<holdings_added>,
    // From a gpu_worker: shards that others may not read any more.
    takes<holdings_dropped>,
    // From a transfer: who else holds these shards; news follow as holder_list. Once more, of some of them: those that it
    // was told of do not do; others, if there are.
    asked<registration_id, locate_request>::with<holder_list>,
    // From a transfer: what it reads from.
    takes<registration_id, running_load>,
    // From a gpu_worker: how the load went; once more when its set has left the device.
    takes<registration_id, load_report>,
    // From a transfer: this device gave it wrong bytes. It is told.
    takes<registration_id, std::string, suspect>,
    // From administrators: a cordoned device gets no new work; what it holds stays a source for others. not_found.
    asked<cordon_atom, std::string, bool>::with<bool>,
    // From the supervisor: see above.
    takes<stop_atom>>;

// TENANT, one per tenant, on the head: admits requests and holds their promises until they are answered.
using tenant_actor = caf::typed_actor<
    // From the gateway, which has checked the input: exactly one answer, at the latest one second after the deadline;
    // never an error.
    asked<infer_request>::with<infer_reply>,
    // From the scheduler: a piece of an answer, for whoever brought a receiver.
    takes<answer_part>,
    // From the gateway: nobody waits for the answer to this call any more.
    takes<cancel_atom, uint64_t>,
    // From the gateway: the model that a name means now, with or without tenant and version. not_found,
    // permission_denied: another tenant's.
    asked<find_atom, std::string>::with<model_row>,
    // From the gateway: this tenant's models.
    asked<list_atom>::with<model_list>,
    // From the weight store: a model of this tenant was published.
    takes<model_added>,
    // From the weight store: a model of this tenant was taken back.
    takes<model_removed>,
    // From the weight store: a model of this tenant is published and cannot be read. Asking it is corrupt.
    takes<model_unreadable>,
    // From the gateway's benchmark: answers the same number.
    asked<ping_atom, uint64_t>::with<uint64_t>,
    // From the supervisor: see above.
    takes<stop_atom>>;

// WEIGHT_STORE, one per cluster in this version, on the head's host: disk objects, catalogue, host cache, publishing.
using weight_store_actor = caf::typed_actor<
    // From the gateway: import a folder; answered when the model can be asked for. Takes as long as the disk needs.
    asked<publish_request>::with<publication>,
    // From the gateway: take models back; answered when nothing uses them any more and their bytes are free. not_found,
    // permission_denied; busy: it is being done already.
    asked<unpublish_request>::with<unpublish_reply>,
    // From anybody: all models.
    asked<list_atom>::with<model_list>,
    // From the gateway: the path of a model's tokenizer files; not_found where the model brings none.
    asked<card_atom, core::model_id>::with<std::string>,
    // From a transfer: keep a shard in the host cache until released or until the transfer ends. While it is read from
    // disk, stage_progress tells what of it can be taken already.
    asked<stage_request>::with<stage_reply>,
    // From a transfer: this shard has been taken.
    takes<release_atom, core::digest>,
    // From a transfer: the host cache gave it wrong bytes, and it reads that copy no more. The copy is looked at; whoever
    // asks for the shard meanwhile waits. A damaged one is given to nobody any more: the disk is read again.
    takes<suspect>,
    // From administrators: empty the host cache; answers the bytes that became free.
    asked<drop_atom>::with<uint64_t>,
    // From the supervisor: see above.
    takes<stop_atom>>;

// SUPERVISOR, one per node: spawns the node's actors, keeps it joined, stops everything in order.
using supervisor_actor = caf::typed_actor<
    // From the directory: other nodes are dead.
    takes<nodes_lost>,
    // From main: stop the node; the actor ends when all of its children have ended.
    takes<stop_atom>>;

} // namespace fastptm::protocol

#include "protocol/joining.hpp"
