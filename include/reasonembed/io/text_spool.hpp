#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/io/file_handle.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::io {

/// Texts one behind the other, in a file without a name that is read through a memory map: they take disk, and memory
/// only while somebody looks at them. Or in memory, where no directory is given.
///
/// The file is removed from its directory as soon as it is open, so that it goes with the spool, also when the process
/// is killed, and no other program can shorten it.
///
/// Pages of the map that were read count as memory of the process until the system wants them back, or release() is
/// called. Readers who tell what they look at (looked_at) keep them under some 32 MB.
///
/// @note  stays where it is, and so does what add() returned. Reading from many threads is safe, adding is for one.
class TextSpool {
 public:
  /// In memory.
  TextSpool() = default;
  /// In a file of `directory`, which should be on a disk.
  /// @throws  IoError if no file can be made there
  explicit TextSpool(const std::filesystem::path& directory) {
    std::string path = (directory / ".texts-XXXXXX").string();
    const int number = ::mkostemp(path.data(), O_CLOEXEC);
    if (number < 0) {
      throw IoError::failed(directory.string(), "directory for texts", system_reason(errno), "a writable directory");
    }
    file_ = FileHandle::adopt((directory / "(unnamed texts)").string(), number);
    (void)::unlink(path.c_str());
  }
  TextSpool(const TextSpool&) = delete;
  TextSpool& operator=(const TextSpool&) = delete;
  TextSpool(TextSpool&&) = delete;
  TextSpool& operator=(TextSpool&&) = delete;
  ~TextSpool() {
    for (const Piece& piece : pieces_) {
      ::munmap(piece.data, piece.size);
    }
  }

  /// @return  the text as it lies here
  /// @throws  IoError if the disk is full or fails, or memory can't be had; the spool is then as it was
  std::string_view add(std::string_view text) {
    if (text.empty()) {
      return {};
    }
    if (pieces_.empty() || pieces_.back().size - pieces_.back().used < text.size()) {
      append_piece(text.size());
    }
    Piece& piece = pieces_.back();
    char* place = piece.data + piece.used;
    if (on_disk()) {
      write(text, piece.offset + piece.used);
    } else {
      std::memcpy(place, text.data(), text.size());
    }
    piece.used += text.size();
    bytes_ += text.size();
    return {place, text.size()};
  }
  /// @return  bytes of all texts
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] bool on_disk() const { return file_.number() >= 0; }
  /// Gives back the memory of the pages that have been read; reading them again brings them back. Nothing happens for
  /// texts in memory.
  void release() const {
    if (on_disk()) {
      for (const Piece& piece : pieces_) {
        (void)::madvise(piece.data, piece.size, MADV_DONTNEED);  // advice: at worst the system does it later
      }
    }
  }
  /// Notes that a text of this spool is about to be read, and releases what was read before when it is much.
  void looked_at(std::string_view text) const {
    if (!on_disk() || text.empty()) {
      return;
    }
    const auto place = reinterpret_cast<std::uintptr_t>(text.data()) / kAround;
    if (last_.exchange(place, std::memory_order_relaxed) == place && text.size() < kAround) {
      return;  // the next text of a pass from front to back
    }
    const std::size_t more = kAround + text.size();
    if (resident_.fetch_add(more, std::memory_order_relaxed) + more > kResident) {
      resident_.store(0, std::memory_order_relaxed);
      release();
    }
  }

 private:
  static constexpr std::size_t kFirstPiece = std::size_t{1} << 16;
  static constexpr std::size_t kLargestPiece = std::size_t{1} << 26;  // 16 maps a GB: there may be 65,530
  static constexpr std::size_t kAround = std::size_t{1} << 16;        // what the system maps around a page that is read
  static constexpr std::size_t kResident = std::size_t{1} << 25;

  struct Piece {
    char* data = nullptr;
    std::size_t size = 0;
    std::size_t offset = 0;  // in the file
    std::size_t used = 0;
  };

  /// @param least  bytes that it must hold
  void append_piece(std::size_t least) {
    const std::size_t wanted =
        std::max(least, pieces_.empty() ? kFirstPiece : std::min(2 * pieces_.back().size, kLargestPiece));
    const std::size_t size = (wanted + kFirstPiece - 1) / kFirstPiece * kFirstPiece;  // whole pages, of any machine
    pieces_.reserve(pieces_.size() + 1);
    if (on_disk() && ::ftruncate(file_.number(), static_cast<off_t>(size_ + size)) != 0) {
      throw IoError::failed(file_.path(), "room for texts", system_reason(errno), std::to_string(size) + " bytes more");
    }
    // the map is read alone: writing through it would be a signal, not an error, where the disk is full
    void* memory = on_disk() ? ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file_.number(), static_cast<off_t>(size_))
                             : ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      throw IoError::failed(on_disk() ? file_.path() : "io::TextSpool",
                            "memory map",
                            system_reason(errno),
                            std::to_string(size) + " bytes more");
    }
    pieces_.push_back({static_cast<char*>(memory), size, size_, 0});
    size_ += size;
  }
  void write(std::string_view text, std::size_t at) const {
    while (!text.empty()) {
      const ssize_t count = ::pwrite(file_.number(), text.data(), text.size(), static_cast<off_t>(at));
      if (count < 0 && errno != EINTR) {
        throw IoError::failed(file_.path(), "write", system_reason(errno), "room for all texts");
      }
      text.remove_prefix(count > 0 ? static_cast<std::size_t>(count) : 0);
      at += count > 0 ? static_cast<std::size_t>(count) : 0;
    }
  }

  FileHandle file_;
  std::vector<Piece> pieces_;
  std::size_t size_ = 0;  // of the file
  std::size_t bytes_ = 0;
  mutable std::atomic<std::uintptr_t> last_ = 0;  // where the last text was read
  mutable std::atomic<std::size_t> resident_ = 0;
};

}  // namespace reasonembed::io
