#pragma once
/// @file Whole files: read into a string, or written so that nobody ever sees half of one.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/function_ref.hpp>
#include <reasonembed/io/file_handle.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace reasonembed::inline REASONEMBED_ABI::io {

/// All bytes of a file; no character is checked or changed.
///
/// @throws  IoError if the file is missing, unreadable or a directory
[[nodiscard]] inline std::string read_text_file(const std::filesystem::path& path) {
  const FileHandle file(path, O_RDONLY);
  struct stat status{};
  const std::size_t expected =
      ::fstat(file.number(), &status) == 0 && status.st_size > 0 ? static_cast<std::size_t>(status.st_size) : 0;
  constexpr std::size_t kChunk = std::size_t{1} << 16;
  std::string content;
  for (std::size_t size = 0;;) {
    // One byte more than expected, so that the read that finds the end needs no second allocation.
    content.resize(size + (size <= expected ? expected + 1 - size : kChunk));
    const std::size_t count = file.read(content.data() + size, content.size() - size);
    size += count;
    content.resize(size);
    if (count == 0) {
      return content;
    }
  }
}

/// A file that replaces `path` in one step when commit() is called; until then, and if anything fails, the old file
/// stays as it is and only a temporary file beside it grows.
///
/// The bytes reach the disk before the name does (fsync, rename, fsync of the directory), so a crash leaves the old
/// file or the new one. A symbolic link stays and its target is replaced; the old file's permissions are kept.
///
/// @note  not safe from many threads; different objects are independent, even for one path (the last commit wins)
class AtomicFile {
 public:
  /// @throws IoError if `path` is something else than a regular file, or its directory can't be written
  explicit AtomicFile(const std::filesystem::path& path) : path_(path.string()), target_(path) {
    constexpr int kLongestChain = 40;  // as the kernel's; a circle of links is left to the system to refuse
    std::error_code error;
    for (int link = 0; link < kLongestChain && std::filesystem::is_symlink(target_, error); ++link) {
      target_ = target_.parent_path() / std::filesystem::read_symlink(target_, error);
    }
    struct stat old{};
    const bool replaces = ::stat(target_.c_str(), &old) == 0;
    if (replaces && !S_ISREG(old.st_mode)) {
      throw IoError::failed(path_, "path", S_ISDIR(old.st_mode) ? "a directory" : "a special file", "a regular file");
    }
    create();
    if (replaces) {
      (void)::fchmod(file_.number(),
                     old.st_mode & 07777);  // refused for another owner's file: the content matters more
    }
  }
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  AtomicFile(AtomicFile&&) = delete;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile() {
    if (!committed_) {
      (void)::unlink(temporary_.c_str());
    }
  }

  /// Appends; small pieces are collected.
  /// @throws IoError if the disk is full or failing
  void write(std::string_view bytes) {
    constexpr std::size_t kBuffer = std::size_t{1} << 18;
    if (buffer_.size() + bytes.size() > kBuffer) {
      flush();
    }
    if (bytes.size() >= kBuffer) {
      guarded([&] { file_.write(bytes); });
    } else {
      buffer_.append(bytes);
    }
  }
  /// Replaces bytes written before, for a header that is known last.
  /// @pre  offset + bytes.size() bytes have been written
  void overwrite(std::size_t offset, std::string_view bytes) {
    flush();
    guarded([&] {
      if (::lseek(file_.number(), static_cast<off_t>(offset), SEEK_SET) < 0) {
        throw IoError::failed(path_, "seek", system_reason(errno), "a seekable file");
      }
      file_.write(bytes);
      if (::lseek(file_.number(), 0, SEEK_END) < 0) {
        throw IoError::failed(path_, "seek", system_reason(errno), "a seekable file");
      }
    });
  }
  /// Makes the written bytes the content of the path.
  /// @throws IoError if that fails; the old file is then still there
  void commit() {
    flush();
    guarded([&] {
      file_.sync();
      file_.close();
      if (std::rename(temporary_.c_str(), target_.c_str()) != 0) {
        throw IoError::failed(path_, "rename", system_reason(errno), "a replaceable file");
      }
    });
    committed_ = true;
    const std::filesystem::path parent = target_.parent_path();
    FileHandle(parent.empty() ? "." : parent, O_RDONLY | O_DIRECTORY).sync();
  }

 private:
  void create() {
    static std::atomic<unsigned> count{0};
    int number = -1;
    do {
      temporary_ = target_;
      temporary_ += ".tmp." + std::to_string(::getpid()) + "." + std::to_string(count.fetch_add(1));
      number = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (number < 0 && (errno == EEXIST || errno == EINTR));  // a crashed process of the same number left its file
    if (number < 0) {
      throw IoError::failed(path_, "directory", system_reason(errno), "a writable directory");
    }
    file_ = FileHandle::adopt(temporary_.string(), number);
  }
  void flush() {
    guarded([&] { file_.write(buffer_); });
    buffer_.clear();
  }
  /// Errors name the path the caller knows, not the temporary one, and say what is left.
  template <class Step>
  void guarded(Step step) {
    try {
      step();
    } catch (const IoError& error) {
      std::string_view text = error.what();
      if (text.starts_with(file_.path())) {
        text.remove_prefix(file_.path().size());
      } else if (text.starts_with(path_)) {
        text.remove_prefix(path_.size());
      }
      throw IoError(path_ + std::string(text) + "; the path still holds what it held before");
    }
  }

  std::string path_;
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  FileHandle file_;
  std::string buffer_;
  bool committed_ = false;
};

/// Replaces a file in one step: readers see the old content or the new one, never a part.
///
/// @throws  IoError if the new content can't be written; the old file is then unchanged
inline void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

/// The same for content that is produced piece by piece.
///
/// @param produce  writes to the AtomicFile it is given; whatever it throws leaves the old file unchanged
inline void write_file_atomically(const std::filesystem::path& path, FunctionRef<void(AtomicFile&)> produce) {
  AtomicFile file(path);
  produce(file);
  file.commit();
}

}  // namespace reasonembed::io
