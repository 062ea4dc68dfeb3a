#include <reasonembed/remixer/call_key.hpp>

#include <doctest/doctest.h>

#include <support/chat_calls.hpp>

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

namespace re = reasonembed;
using re::remixer::call_key;
using re::remixer::CallKey;
using re::remixer::ChatCall;

namespace {

ChatCall two_messages() {
  return {.id = 7,
          .stage = "annotate",
          .attempt = 1,
          .messages = {{.role = "system", .content = "You judge."}, {.role = "user", .content = "Is it?"}},
          .sampling = {.temperature = 0.5, .top_p = 0.9, .top_k = 20, .max_tokens = 100, .seed = 4}};
}

}  // namespace

TEST_SUITE("remixer/call_key") {
  TEST_CASE("call_key: is pinned, since journals and recordings on disks hold it") {
    // SHA-256 of "18:reasonembed call 11:m0.5:0.9:20:100:1:4:1:2:6:system10:You judge.4:user6:Is it?"
    CHECK(re::remixer::hex_of(call_key("m", two_messages())) ==
          re::sha256("18:reasonembed call 11:m0.5:0.9:20:100:1:4:1:2:6:system10:You judge.4:user6:Is it?"));
    CHECK(re::remixer::hex_of(call_key("m", two_messages())) ==
          "5b360b87bd2faafbb6a25527de5d9c4670bff18436f0d3ab95fda0b4eff11732");
  }
  TEST_CASE("call_key: changes with everything an answer depends on") {
    std::vector<ChatCall> calls(12, two_messages());
    calls[1].attempt = 2;
    calls[2].messages[0].role = "user";
    calls[3].messages[1].content = "Is it";
    calls[4].messages.pop_back();
    calls[5].sampling.temperature = std::nextafter(0.5, 1.0);
    calls[6].sampling.top_p = 1.0;
    calls[7].sampling.top_k = 0;
    calls[8].sampling.max_tokens = 101;
    calls[9].sampling.seed = 0;
    calls[10].sampling.seed.reset();  // none is not zero
    calls[11].messages = {};
    std::set<CallKey> keys;
    for (const ChatCall& call : calls) {
      keys.insert(call_key("m", call));
    }
    keys.insert(call_key("n", calls[0]));
    keys.insert(call_key("", calls[0]));
    CHECK(keys.size() == calls.size() + 2);
  }
  TEST_CASE("call_key: does not depend on who asks, and in which stage") {
    ChatCall other = two_messages();
    other.id = 8;
    other.stage = "generate";
    CHECK(call_key("m", other) == call_key("m", two_messages()));
  }
  TEST_CASE("call_key: text can't move from one field to the next") {
    const auto key = [](const std::string& role, const std::string& content) {
      return call_key("m", {.messages = {{.role = role, .content = content}}});
    };
    CHECK(key("user", "abc") != key("usera", "bc"));
    CHECK(key("", "user3:abc") != key("user", "abc"));
    CHECK(key("a", std::string("\0b", 2)) != key(std::string("a\0", 2), "b"));
    const ChatCall one{.messages = {{.role = "user", .content = "a"}, {.role = "user", .content = "b"}}};
    const ChatCall two{.messages = {{.role = "user", .content = "a4:user1:b"}}};
    CHECK(call_key("m", one) != call_key("m", two));
  }
  TEST_CASE("call_key: takes any bytes and sizes") {
    CHECK_NOTHROW((void)call_key("", {}));
    CHECK_NOTHROW((void)call_key("\xFF", {.messages = {{.role = "\x80", .content = std::string(1 << 20, '\xFE')}}}));
    ChatCall odd = two_messages();
    odd.sampling.temperature = std::numeric_limits<double>::infinity();
    CHECK(call_key("m", odd) != call_key("m", two_messages()));
    odd.sampling.temperature = -std::numeric_limits<double>::denorm_min();
    odd.sampling.seed = std::numeric_limits<std::int64_t>::min();
    odd.attempt = std::numeric_limits<int>::min();
    CHECK(call_key("m", odd) != call_key("m", two_messages()));
  }

  TEST_CASE("key_of: reads what hex_of writes") {
    const CallKey key = call_key("m", two_messages());
    CHECK(re::remixer::key_of(re::remixer::hex_of(key), "file") == key);
    CHECK(re::remixer::key_of(std::string(64, '0'), "file") == CallKey{});
  }
  TEST_CASE("key_of: refuses everything else") {
    for (const std::string& wrong : {std::string(),
                                     std::string(63, 'a'),
                                     std::string(65, 'a'),
                                     std::string(64, 'A'),
                                     std::string(63, 'a') + "g",
                                     std::string(63, 'a') + " ",
                                     "+" + std::string(63, '1'),
                                     std::string(64, '\xFF')}) {
      CAPTURE(wrong);
      CHECK_THROWS_AS((void)re::remixer::key_of(wrong, "file"), re::DataError);
    }
    CHECK_THROWS_WITH_AS((void)re::remixer::key_of("12", "a.jsonl:3"),
                         "a.jsonl:3: key is \"12\", expected 64 lower-case hexadecimal digits",
                         re::DataError);
  }
  TEST_CASE("CallKeyHash: spreads keys") {
    std::set<std::size_t> hashes;
    for (const ChatCall& call : test::chat_calls(1000)) {
      hashes.insert(re::remixer::CallKeyHash()(call_key("m", call)));
    }
    CHECK(hashes.size() == 1000);
  }
}
