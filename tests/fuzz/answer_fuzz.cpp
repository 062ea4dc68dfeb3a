// Any bytes, with any reason to stop, are a value or a counted fault: never an exception, never a text that is blank,
// not UTF-8 or longer than the answer, never a score out of range. What a parser has cleaned stays as it is when it is
// read again.
#include <reasonembed/remixer/answer_parser.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace re = reasonembed;
namespace rx = reasonembed::remixer;

namespace {

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

void require_text(const rx::Parsed<std::string>& parsed, const rx::ChatAnswer& answer) {
  if (!parsed) {
    require(static_cast<std::size_t>(parsed.error()) < rx::kAnswerFaults);
    return;
  }
  const std::string& text = *parsed;
  require(answer.finish == rx::Finish::kStop);
  require(!text.empty() && text.size() <= answer.text.size());
  require(re::io::find_invalid_utf8(text) == std::string::npos);
  require(rx::detail::trimmed(text) == text);
  require(answer.text.find(text) != std::string::npos);  // cleaning takes away, it never adds
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const auto finish = static_cast<rx::Finish>(data[0] % 3);
  const rx::ChatAnswer answer{.text = std::string(reinterpret_cast<const char*>(data) + 1, size - 1), .finish = finish};
  const auto text = rx::parse_text(answer);
  require_text(text, answer);
  require_text(rx::parse_query(answer), answer);
  const auto score = rx::parse_score(answer);
  require(!score || (*score >= 1 && *score <= 5 && text.has_value()));
  require(!score || text->find("<score>") != std::string::npos);
  const auto yes = rx::parse_yes_no(answer);
  require(!yes || *text == (*yes ? "Yes" : "No"));
  if (text) {
    (void)rx::is_refusal(*text);
  }
  return 0;
}
