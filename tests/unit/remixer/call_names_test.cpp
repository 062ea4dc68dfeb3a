#include <reasonembed/remixer/call_names.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <set>
#include <string_view>

namespace re = reasonembed;
using re::remixer::CallFault;
using re::remixer::Finish;

TEST_SUITE("remixer/call_names") {
  TEST_CASE("name_of: every fault and finish has a name of its own, and is read back from it") {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < re::remixer::kFaultNames.size(); ++i) {
      const auto fault = static_cast<CallFault>(i);
      CHECK(re::remixer::fault_of(re::remixer::name_of(fault), "journal") == fault);
      names.insert(re::remixer::name_of(fault));
    }
    CHECK(names.size() == re::remixer::kFaultNames.size());
    for (std::size_t i = 0; i < re::remixer::kFinishNames.size(); ++i) {
      const auto finish = static_cast<Finish>(i);
      CHECK(re::remixer::finish_of(re::remixer::name_of(finish), "journal") == finish);
    }
  }
  TEST_CASE("name_of: the names that journals hold stay as they are") {
    CHECK(re::remixer::name_of(CallFault::kRefused) == "refused");
    CHECK(re::remixer::name_of(CallFault::kRateLimited) == "rate_limited");
    CHECK(re::remixer::name_of(CallFault::kServer) == "server");
    CHECK(re::remixer::name_of(CallFault::kTimeout) == "timeout");
    CHECK(re::remixer::name_of(CallFault::kConnection) == "connection");
    CHECK(re::remixer::name_of(CallFault::kTls) == "tls");
    CHECK(re::remixer::name_of(CallFault::kMalformed) == "malformed");
    CHECK(re::remixer::name_of(CallFault::kEmpty) == "empty");
    CHECK(re::remixer::name_of(CallFault::kNotRecorded) == "not_recorded");
    CHECK(re::remixer::name_of(Finish::kStop) == "stop");
    CHECK(re::remixer::name_of(Finish::kLength) == "length");
    CHECK(re::remixer::name_of(Finish::kFiltered) == "filtered");
  }
  TEST_CASE("fault_of, finish_of: another name is an error that lists those there are") {
    CHECK_THROWS_WITH_AS((void)re::remixer::finish_of("done", "a.jsonl:2"),
                         "a.jsonl:2: finish is \"done\", expected one of stop, length, filtered",
                         re::DataError);
    CHECK_THROWS_WITH_AS((void)re::remixer::fault_of("", "journal"),
                         "journal: fault is \"\", expected one of refused, rate_limited, server, timeout, connection, "
                         "tls, malformed, empty, not_recorded",
                         re::DataError);
    CHECK_THROWS_AS((void)re::remixer::fault_of("\xFF", "journal"), re::DataError);
  }
  TEST_CASE("call_failure: converts to a result, with the message of an error") {
    const re::remixer::ChatResult result =
        re::remixer::call_failure(CallFault::kEmpty, "http://a", "choices", "empty", "one choice");
    REQUIRE(!result);
    CHECK(result.error().fault == CallFault::kEmpty);
    CHECK(result.error().message == "http://a: choices is empty, expected one choice");
  }
}
