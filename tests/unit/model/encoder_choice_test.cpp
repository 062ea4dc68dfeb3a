#include <reasonembed/model/encoder_choice.hpp>

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

namespace re = reasonembed;
using re::model::with_encoder_type;

namespace {

re::model::EncoderDescription describing(const re::model::Family& family, const std::string& pooling) {
  re::model::EncoderDescription description;
  description.family = family;
  description.pooling = pooling;
  return description;
}

/// Architecture and pooling of the type that is chosen.
std::pair<std::string, std::string> chosen(const re::model::EncoderDescription& description,
                                           const std::string& said = "") {
  std::vector<std::pair<std::string, std::string>> calls;
  with_encoder_type("place", description, said, [&]<class Encoder>() {
    calls.emplace_back(Encoder::architecture(), Encoder::Pooling::name);
  });
  REQUIRE(calls.size() == 1);
  return calls.front();
}

}  // namespace

TEST_SUITE("model/encoder_choice") {
  TEST_CASE("with_encoder_type: every family and pooling has its own type") {
    for (const re::model::Family& family : re::model::families()) {
      const bool bert = family.architecture == re::model::BertEncoder<>::architecture();
      for (const char* pooling : {"mean", bert ? "cls" : "lasttoken"}) {
        CAPTURE(family.model_type);
        CAPTURE(pooling);
        CHECK(chosen(describing(family, pooling)) == std::pair<std::string, std::string>{family.architecture, pooling});
        CHECK(chosen(describing(family, ""), pooling).second == pooling);
        CHECK(chosen(describing(family, pooling), pooling).second == pooling);
      }
    }
  }
  TEST_CASE("with_encoder_type: a pooling nobody says, says differently, or has, is refused") {
    const auto refused = [](const std::string& pooling, const std::string& said, const std::string& message) {
      bool called = false;
      CHECK_THROWS_WITH_AS(
          with_encoder_type(
              "place", describing(re::model::bert_family(), pooling), said, [&]<class Encoder>() { called = true; }),
          ("place: pooling is " + message).c_str(),
          re::ConfigError);
      CHECK_FALSE(called);
    };
    refused("", "", "said by nobody, expected mean, cls or lasttoken");
    refused("", "max", "max, expected mean, cls or lasttoken");
    refused("mean", "cls", "mean, expected cls");
    refused("lasttoken", "", "lasttoken of a bert, expected mean; cls of the BERT family, lasttoken of decoders");
  }
  TEST_CASE("with_encoder_type: an architecture of nobody's is refused") {
    re::model::EncoderDescription own = describing(re::model::bert_family(), "mean");
    own.family.architecture = "of my own";
    CHECK_THROWS_AS(with_encoder_type("place", own, "", []<class Encoder>() {}), re::ConfigError);
  }
  TEST_CASE("with_encoder_type: what the function throws comes through") {
    CHECK_THROWS_WITH_AS(with_encoder_type("place",
                                           describing(re::model::qwen3_family(), "lasttoken"),
                                           "",
                                           []<class Encoder>() { throw re::DataError("mine"); }),
                         "mine",
                         re::DataError);
  }
}
