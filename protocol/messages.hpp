// Every message type with its id. Nodes only join with equal protocol versions, so ids need no gaps.
#pragma once

#include "protocol/cluster.hpp"
#include "protocol/explaining.hpp"
#include "protocol/loading.hpp"
#include "protocol/reports.hpp"
#include "protocol/serving.hpp"

namespace fastptm::actors {

// Defined in protocol/joining.hpp, behind the interfaces whose handles they carry.
struct attach_order;
struct device_joined;
struct join_reply;
struct join_request;

} // namespace fastptm::actors

CAF_BEGIN_TYPE_ID_BLOCK(fastptm, first_custom_type_id)

CAF_ADD_TYPE_ID(fastptm, (fastptm::core::batch_id))
CAF_ADD_TYPE_ID(fastptm, (fastptm::core::digest))
CAF_ADD_TYPE_ID(fastptm, (fastptm::core::load_id))
CAF_ADD_TYPE_ID(fastptm, (fastptm::core::model_id))
CAF_ADD_TYPE_ID(fastptm, (fastptm::core::tenant_id))

CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::attach_order))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::batch_inputs))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::batch_outputs))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::device_joined))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::device_lost))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::device_row))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::evict_order))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::explanation))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::holder_list))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::holdings_added))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::holdings_dropped))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::infer_reply))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::infer_request))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::join_reply))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::join_request))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::load_order))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::load_reply))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::locate_request))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::model_added))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::model_list))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::model_removed))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::model_row))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::node_list))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::node_lost))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::plan_list))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::publish_reply))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::publish_request))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::registration_id))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::run_order))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::run_reply))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::running_list))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::running_load))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::schedule_request))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::set_dropped))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::stage_reply))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::stage_request))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::switch_list))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::switch_report))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::unpublish_reply))
CAF_ADD_TYPE_ID(fastptm, (fastptm::actors::unpublish_request))

CAF_ADD_ATOM(fastptm, fastptm::actors, cancel_atom, "cancel")
CAF_ADD_ATOM(fastptm, fastptm::actors, card_atom, "card")
CAF_ADD_ATOM(fastptm, fastptm::actors, cordon_atom, "cordon")
CAF_ADD_ATOM(fastptm, fastptm::actors, decide_atom, "decide")
CAF_ADD_ATOM(fastptm, fastptm::actors, drop_atom, "drop")
CAF_ADD_ATOM(fastptm, fastptm::actors, evict_atom, "evict")
CAF_ADD_ATOM(fastptm, fastptm::actors, explain_atom, "explain")
CAF_ADD_ATOM(fastptm, fastptm::actors, hello_atom, "hello")
CAF_ADD_ATOM(fastptm, fastptm::actors, list_atom, "list")
CAF_ADD_ATOM(fastptm, fastptm::actors, leave_atom, "leaving")
CAF_ADD_ATOM(fastptm, fastptm::actors, nodes_atom, "nodes")
CAF_ADD_ATOM(fastptm, fastptm::actors, ping_atom, "ping")
CAF_ADD_ATOM(fastptm, fastptm::actors, plans_atom, "plans")
CAF_ADD_ATOM(fastptm, fastptm::actors, release_atom, "release")
CAF_ADD_ATOM(fastptm, fastptm::actors, renew_atom, "renew")
CAF_ADD_ATOM(fastptm, fastptm::actors, running_atom, "running")
CAF_ADD_ATOM(fastptm, fastptm::actors, stop_atom, "stop")
CAF_ADD_ATOM(fastptm, fastptm::actors, switches_atom, "switches")
CAF_ADD_ATOM(fastptm, fastptm::actors, tick_atom, "tick")

CAF_END_TYPE_ID_BLOCK(fastptm)
