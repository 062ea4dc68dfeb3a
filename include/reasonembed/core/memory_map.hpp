#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI {

/// A file mapped read-only into memory for the life of the object (POSIX mmap).
///
/// Pages are read when first touched and shared with every other process that maps the file. A file that another
/// program shortens while it is mapped kills the process (SIGBUS), as with every mmap: files are written by rename.
///
/// @note  move-only; a moved-from map is empty. Concurrent reads are safe.
class MemoryMap {
 public:
  MemoryMap() = default;
  /// @param path  a regular file; an empty one gives an empty map
  /// @throws      IoError if the path is missing, unreadable or not a regular file
  explicit MemoryMap(const std::string& path) {
    const Descriptor file(path);
    struct stat status{};
    if (::fstat(file.number, &status) != 0) {
      throw refused(path, "file status", errno);
    }
    if (!S_ISREG(status.st_mode)) {
      throw IoError::failed(path, "path", S_ISDIR(status.st_mode) ? "a directory" : "a special file", "a regular file");
    }
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ == 0) {
      return;
    }
    void* memory = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.number, 0);
    if (memory == MAP_FAILED) {
      throw refused(path, "memory map", errno);
    }
    data_ = static_cast<const std::byte*>(memory);
  }
  MemoryMap(MemoryMap&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  MemoryMap& operator=(MemoryMap&& other) noexcept {
    MemoryMap moved(std::move(other));
    std::swap(data_, moved.data_);
    std::swap(size_, moved.size_);
    return *this;
  }
  MemoryMap(const MemoryMap&) = delete;
  MemoryMap& operator=(const MemoryMap&) = delete;
  ~MemoryMap() {
    if (data_ != nullptr) {
      ::munmap(const_cast<std::byte*>(data_), size_);
    }
  }

  [[nodiscard]] std::size_t size() const { return size_; }
  /// @return  the whole file, aligned to a page
  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }
  /// Gives back the memory of pages that lie wholly within a part of `bytes()`: they are read again when they are
  /// touched again, and the part's content does not change. Advice, so nothing fails.
  ///
  /// @note  without it all that was ever read counts as the process's memory, as long as nobody else needs it
  void release(std::span<const std::byte> part) const {
    static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const auto first = static_cast<std::size_t>(part.data() - data_);
    const std::size_t begin = (first + page - 1) / page * page;
    const std::size_t last = first + part.size();
    const std::size_t end = last == size_ ? last : last / page * page;  // nothing else lies in the last page
    if (begin < end) {
      (void)::madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
    }
  }
  [[nodiscard]] std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  struct Descriptor {
    explicit Descriptor(const std::string& path) : number(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
      if (number < 0) {
        throw refused(path, "file", errno);
      }
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    Descriptor(Descriptor&&) = delete;
    Descriptor& operator=(Descriptor&&) = delete;
    ~Descriptor() { ::close(number); }
    int number;
  };

  static IoError refused(const std::string& path, std::string_view what, int code) {
    const std::string got = code == ENOENT || code == ENOTDIR
                                ? "missing"
                                : "refused by the system (" + std::string(std::strerror(code)) + ")";
    return IoError::failed(path, what, got, "a readable regular file");
  }

  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Bytes of an open file in the system's page cache, mapped read-only for the life of the object.
///
/// Unlike the bytes of a MemoryMap they have been read when the object is made, in the calling thread, and the page
/// table has its entries: whoever uses them waits neither for the disk nor for faults. They count as this process's
/// memory while the object lives, so a file is gone through in parts.
///
/// @note  move-only; a moved-from part is empty. Concurrent reads are safe. A file must not be shortened while a part
/// of
///        it is mapped, see MemoryMap.
class MappedPart {
 public:
  MappedPart() = default;
  MappedPart(MappedPart&& other) noexcept
      : memory_(std::exchange(other.memory_, nullptr)),
        mapped_(std::exchange(other.mapped_, 0)),
        bytes_(std::exchange(other.bytes_, {})) {}
  MappedPart& operator=(MappedPart&& other) noexcept {
    MappedPart moved(std::move(other));
    std::swap(memory_, moved.memory_);
    std::swap(mapped_, moved.mapped_);
    std::swap(bytes_, moved.bytes_);
    return *this;
  }
  MappedPart(const MappedPart&) = delete;
  MappedPart& operator=(const MappedPart&) = delete;
  ~MappedPart() {
    if (memory_ != nullptr) {
      ::munmap(memory_, mapped_);
    }
  }

  /// Maps bytes [offset, offset + size) of an open file and reads what is not in memory yet. Parts that are asked for
  /// in their order are read ahead of by the system.
  /// @return  false if the system can't: it is older than Linux 5.14 or another one, the file ends before, the disk
  ///          fails; the part is then empty, and an ordinary read says why
  [[nodiscard]] bool map([[maybe_unused]] int file, [[maybe_unused]] std::size_t offset, std::size_t size) {
    *this = MappedPart();
#if defined(MADV_POPULATE_READ)
    // a large page is mapped by one entry where all of it lies in the mapping, bytes beyond the file included
    constexpr std::size_t kLargePage = std::size_t{2} << 20;
    const std::size_t before = offset % kLargePage;
    const std::size_t whole = (before + size + kLargePage - 1) / kLargePage * kLargePage;
    void* const memory = size == 0
                             ? MAP_FAILED
                             : ::mmap(nullptr, whole, PROT_READ, MAP_SHARED, file, static_cast<off_t>(offset - before));
    if (memory == MAP_FAILED) {
      return size == 0;
    }
    memory_ = memory;
    mapped_ = whole;
    (void)::madvise(memory_, mapped_, MADV_SEQUENTIAL);  // hints: read ahead in large pieces, and in large pages
    (void)::madvise(memory_, mapped_, MADV_HUGEPAGE);
    static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    std::byte* const first = static_cast<std::byte*>(memory_) + before;
    std::byte* const start = first - before % page;
    if (::madvise(start, static_cast<std::size_t>(first + size - start), MADV_POPULATE_READ) != 0) {
      *this = MappedPart();
      return false;
    }
    bytes_ = {first, size};
    return true;
#else
    return size == 0;
#endif
  }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  void* memory_ = nullptr;  // from the start of the page
  std::size_t mapped_ = 0;
  std::span<const std::byte> bytes_;
};

}  // namespace reasonembed
