#pragma once
/// @file Writing of protobuf messages, the wire format of ONNX files.
#include <reasonembed/config.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::io {

/// A protobuf message that is being written: fields by number, in the order they are added
/// [Google, Protocol Buffers Encoding].
///
///   field = varint(number << 3 | wire type), payload:  0 varint;  2 length as a varint, bytes;  5 four bytes
///
/// Large payloads may be borrowed: a message of many gigabytes is written without a copy of them. Any field may be
/// added more than once, as repeated fields are.
///
/// @note  a value type; nesting by value, O(bytes it owns) for each level
class ProtobufMessage {
 public:
  /// An int32, int64, bool or enum field.
  void add_int(std::uint32_t field, std::int64_t value) {
    append_key(field, 0);
    append_varint(static_cast<std::uint64_t>(value));  // a negative number takes ten bytes, as the format wants
  }
  /// A float field.
  void add_float(std::uint32_t field, float value) {
    static_assert(std::numeric_limits<float>::is_iec559, "reasonembed::io::ProtobufMessage: float must be IEEE 754");
    append_key(field, 5);
    auto bits = std::bit_cast<std::uint32_t>(value);
    for (int i = 0; i < 4; ++i, bits >>= 8) {
      owned_ += static_cast<char>(bits & 0xFF);
    }
  }
  /// A string or bytes field, copied.
  void add_bytes(std::uint32_t field, std::string_view bytes) {
    append_key(field, 2);
    append_varint(bytes.size());
    owned_.append(bytes);
  }
  /// A bytes field whose payload stays where it is.
  /// @pre  `bytes` outlives the message and every message it is added to
  void add_borrowed(std::uint32_t field, std::string_view bytes) {
    append_key(field, 2);
    append_varint(bytes.size());
    borrowed_.push_back({owned_.size(), bytes});
    borrowed_size_ += bytes.size();
  }
  /// A field that is a message itself.
  void add_message(std::uint32_t field, const ProtobufMessage& message) {
    append_key(field, 2);
    append_varint(message.size());
    for (const Borrowed& piece : message.borrowed_) {
      borrowed_.push_back({owned_.size() + piece.place, piece.bytes});
    }
    owned_.append(message.owned_);
    borrowed_size_ += message.borrowed_size_;
  }

  /// @return  bytes it takes in a file
  [[nodiscard]] std::uint64_t size() const { return owned_.size() + borrowed_size_; }

  /// Calls `sink(std::string_view)` for its bytes, piece by piece.
  template <class Sink>
  void write(Sink&& sink) const {
    const std::string_view owned = owned_;
    std::size_t done = 0;
    for (const Borrowed& piece : borrowed_) {
      sink(owned.substr(done, piece.place - done));
      sink(piece.bytes);
      done = piece.place;
    }
    sink(owned.substr(done));
  }

 private:
  struct Borrowed {
    std::size_t place;  ///< owned bytes before it
    std::string_view bytes;
  };

  void append_key(std::uint32_t field, std::uint32_t wire_type) {
    append_varint(std::uint64_t{field} << 3 | wire_type);
  }
  /// Seven bits a byte, the lowest first; the top bit says that more follow.
  void append_varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) {
      owned_ += static_cast<char>((value & 0x7F) | 0x80);
    }
    owned_ += static_cast<char>(value);
  }

  std::string owned_;
  std::vector<Borrowed> borrowed_;
  std::uint64_t borrowed_size_ = 0;
};

}  // namespace reasonembed::io
