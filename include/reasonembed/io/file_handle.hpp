#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI::io {

/// What the operating system said about error number `code`, as the `got` of a message.
[[nodiscard]] inline std::string system_reason(int code) {
  return code == ENOENT ? "missing" : "refused by the system (" + std::string(std::strerror(code)) + ")";
}

/// An open file descriptor (POSIX) that closes itself; every refusal is an IoError that names the path.
///
/// @note  move-only; a moved-from handle is closed
class FileHandle {
 public:
  FileHandle() = default;
  /// @param flags  as of open(2); O_CLOEXEC is added
  /// @param mode   permissions of a created file, less the umask
  /// @throws       IoError if the file can't be opened
  FileHandle(const std::filesystem::path& path, int flags, mode_t mode = 0666)
      : path_(path.string()), number_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {
    if (number_ < 0) {
      const bool writes = (flags & (O_WRONLY | O_RDWR)) != 0;
      throw IoError::failed(path_, "file", system_reason(errno), writes ? "a writable file" : "a readable file");
    }
  }
  /// @return  a handle that owns the open descriptor `number` and calls it `path` in errors
  [[nodiscard]] static FileHandle adopt(std::string path, int number) {
    FileHandle file;
    file.path_ = std::move(path);
    file.number_ = number;
    return file;
  }
  FileHandle(FileHandle&& other) noexcept : path_(std::move(other.path_)), number_(std::exchange(other.number_, -1)) {}
  FileHandle& operator=(FileHandle&& other) noexcept {
    FileHandle moved(std::move(other));
    std::swap(path_, moved.path_);
    std::swap(number_, moved.number_);
    return *this;
  }
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;
  ~FileHandle() {
    if (number_ >= 0) {
      (void)::close(number_);  // whoever wrote has called close() and seen its verdict
    }
  }

  [[nodiscard]] int number() const { return number_; }
  [[nodiscard]] const std::string& path() const { return path_; }

  /// Reads at most `size` bytes from the current position.
  /// @return  bytes read, 0 at the end of the file
  [[nodiscard]] std::size_t read(char* data, std::size_t size) const {
    for (;;) {
      const ssize_t count = ::read(number_, data, size);
      if (count >= 0) {
        return static_cast<std::size_t>(count);
      }
      if (errno != EINTR) {
        throw IoError::failed(path_, "read", system_reason(errno), "a readable file");
      }
    }
  }
  /// Writes all of `bytes` at the current position.
  /// @throws  IoError if the system takes less, for example because the disk is full
  void write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t count = ::write(number_, bytes.data(), bytes.size());
      if (count < 0 && errno != EINTR) {
        throw IoError::failed(path_, "write", system_reason(errno), "room for all bytes");
      }
      bytes.remove_prefix(count > 0 ? static_cast<std::size_t>(count) : 0);
    }
  }
  /// Waits until what was written is on the disk; a file system that knows no such request is taken at its word.
  void sync() const {
    if (::fsync(number_) != 0 && errno != EINVAL && errno != ENOTSUP) {
      throw IoError::failed(path_, "sync", system_reason(errno), "a file that reaches the disk");
    }
  }
  /// Closes, and reports what a network file system finds out only now.
  void close() {
    if (::close(std::exchange(number_, -1)) != 0 && errno != EINTR) {
      throw IoError::failed(path_, "close", system_reason(errno), "a complete file");
    }
  }

 private:
  std::string path_;
  int number_ = -1;
};

}  // namespace reasonembed::io
