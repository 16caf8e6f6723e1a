// Messages that nobody should send, to every port of a cluster.
#include <gtest/gtest.h>

#include "core/random.hpp"
#include "tests/integration/real_binary.hpp"

namespace fastptm::integration {
namespace {

TEST(Malformed, MessagesNeitherEndNorFillNorOccupyANode) {
  cluster under_test(config_text(2));
  const auto up = under_test.up();
  ASSERT_EQ(up.code, 0) << up.err;
  const auto seed = std::to_string(core::true_random_u64() >> 32);
  surroundings around;
  around.environment = {std::string("FASTPTM=") + FASTPTM_BINARY};
  running strangers(
      {FASTPTM_ROOT "/tools/strangers", "--state", under_test.where().state(), "--messages", "200", "--seed", seed},
      under_test.where().path(), around);
  const auto end = strangers.wait(150s);
  ASSERT_TRUE(end) << "still running, seed " << seed;
  EXPECT_EQ(end->code, 0) << end->out << end->err;
}

} // namespace
} // namespace fastptm::integration
