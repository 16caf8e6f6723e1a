// Every message type with its id. Nodes only join with equal protocol versions, so ids need no gaps.
#pragma once

#include "protocol/cluster.hpp"
#include "protocol/explaining.hpp"
#include "protocol/loading.hpp"
#include "protocol/reports.hpp"
#include "protocol/serving.hpp"

namespace fastptm::protocol {

// Defined in protocol/joining.hpp, behind the interfaces whose handles they carry.
struct attach_order;
struct device_joined;
struct join_reply;
struct join_request;

} // namespace fastptm::protocol

CAF_BEGIN_TYPE_ID_BLOCK(fastptm, first_custom_type_id)

CAF_ADD_TYPE_ID(fastptm, (fastptm::core::batch_id))
CAF_ADD_TYPE_ID(fastptm, (fastptm::core::digest))
CAF_ADD_TYPE_ID(fastptm, (fastptm::core::load_id))
CAF_ADD_TYPE_ID(fastptm, (fastptm::core::model_id))
CAF_ADD_TYPE_ID(fastptm, (fastptm::core::tenant_id))

CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::answer_part))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::attach_order))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::batch_inputs))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::batch_outputs))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::batch_part))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::device_joined))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::device_lost))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::device_row))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::evict_order))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::explanation))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::holder_list))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::holdings_added))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::holdings_dropped))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::infer_reply))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::infer_request))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::join_reply))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::join_request))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::load_list))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::load_order))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::load_reply))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::load_report))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::locate_request))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::model_added))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::model_list))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::model_removed))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::model_row))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::model_unreadable))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::node_list))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::node_lost))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::nodes_lost))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::plan_list))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::publication))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::publish_request))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::registration_id))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::run_order))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::run_reply))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::running_list))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::running_load))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::schedule_request))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::stage_progress))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::stage_reply))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::stage_request))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::suspect))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::unpublish_reply))
CAF_ADD_TYPE_ID(fastptm, (fastptm::protocol::unpublish_request))

CAF_ADD_ATOM(fastptm, fastptm::protocol, cancel_atom, "cancel")
CAF_ADD_ATOM(fastptm, fastptm::protocol, card_atom, "card")
CAF_ADD_ATOM(fastptm, fastptm::protocol, cordon_atom, "cordon")
CAF_ADD_ATOM(fastptm, fastptm::protocol, decide_atom, "decide")
CAF_ADD_ATOM(fastptm, fastptm::protocol, drop_atom, "drop")
CAF_ADD_ATOM(fastptm, fastptm::protocol, evict_atom, "evict")
CAF_ADD_ATOM(fastptm, fastptm::protocol, explain_atom, "explain")
CAF_ADD_ATOM(fastptm, fastptm::protocol, find_atom, "find")
CAF_ADD_ATOM(fastptm, fastptm::protocol, hello_atom, "hello")
CAF_ADD_ATOM(fastptm, fastptm::protocol, list_atom, "list")
CAF_ADD_ATOM(fastptm, fastptm::protocol, leave_atom, "leaving")
CAF_ADD_ATOM(fastptm, fastptm::protocol, loads_atom, "loads")
CAF_ADD_ATOM(fastptm, fastptm::protocol, nodes_atom, "nodes")
CAF_ADD_ATOM(fastptm, fastptm::protocol, ping_atom, "ping")
CAF_ADD_ATOM(fastptm, fastptm::protocol, plans_atom, "plans")
CAF_ADD_ATOM(fastptm, fastptm::protocol, release_atom, "release")
CAF_ADD_ATOM(fastptm, fastptm::protocol, renew_atom, "renew")
CAF_ADD_ATOM(fastptm, fastptm::protocol, running_atom, "running")
CAF_ADD_ATOM(fastptm, fastptm::protocol, stop_atom, "stop")
CAF_ADD_ATOM(fastptm, fastptm::protocol, tick_atom, "tick")

CAF_END_TYPE_ID_BLOCK(fastptm)
