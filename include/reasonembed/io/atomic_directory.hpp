#pragma once
/// @file Whole directories, written so that nobody ever sees half of one.
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/function_ref.hpp>
#include <reasonembed/io/file_handle.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace reasonembed::inline REASONEMBED_ABI::io {

namespace detail {

/// A directory of its own beside `target`, removed with all it holds at the end.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::filesystem::path& target) {
    static std::atomic<unsigned> count{0};
    int result = -1;
    do {
      path_ = target;
      path_ += ".tmp." + std::to_string(::getpid()) + "." + std::to_string(count.fetch_add(1));
      result = ::mkdir(path_.c_str(), 0777);
    } while (result != 0 && errno == EEXIST);  // a killed process of the same number left its directory
    if (result != 0) {
      throw IoError::failed(target.string(), "directory above it", system_reason(errno), "a writable directory");
    }
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  TemporaryDirectory(TemporaryDirectory&&) = delete;
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;  // what can't be removed is left under a name that says what it is
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// @return  0 or the system's error number
inline int rename_directory(const std::filesystem::path& from, const std::filesystem::path& to) {
  return std::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

/// Swaps two directories in three steps, for file systems that can't do it in one. A crash between them leaves the old
/// directory under `old_place` + ".old"; an error leaves it where it was.
///
/// @return  0 or the system's error number
inline int swap_in_three_steps(const std::filesystem::path& complete, const std::filesystem::path& old_place) {
  std::filesystem::path aside = complete;
  aside += ".old";
  if (const int error = rename_directory(old_place, aside); error != 0) {
    return error;
  }
  if (const int error = rename_directory(complete, old_place); error != 0) {
    (void)rename_directory(aside, old_place);
    return error;
  }
  (void)rename_directory(aside, complete);  // only so that the old one is removed under the temporary name
  return 0;
}

/// Puts `complete` where `place` is, and what was there where `complete` was.
/// @return  0 or the system's error number
inline int swap_directories(const std::filesystem::path& complete, const std::filesystem::path& place) {
#if defined(RENAME_EXCHANGE)
  if (::renameat2(AT_FDCWD, complete.c_str(), AT_FDCWD, place.c_str(), RENAME_EXCHANGE) == 0) {
    return 0;
  }
  if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) {
    return errno;
  }
#endif
  return swap_in_three_steps(complete, place);
}

/// Waits until every file and directory below `directory`, and itself, is on the disk.
inline void sync_directory(const std::filesystem::path& directory) {
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.is_directory() && !entry.is_symlink()) {
      sync_directory(entry.path());
    } else if (entry.is_regular_file()) {
      FileHandle(entry.path(), O_RDONLY).sync();
    }
  }
  FileHandle(directory, O_RDONLY | O_DIRECTORY).sync();
}

/// The place a directory is renamed to: absolute, without links or a slash at its end; the directories above are made.
inline std::filesystem::path directory_place(const std::filesystem::path& directory) {
  if (directory.empty()) {
    throw IoError::failed("io::write_directory_atomically", "path", "empty", "the name of a directory");
  }
  std::error_code error;
  std::filesystem::path place = std::filesystem::weakly_canonical(std::filesystem::absolute(directory), error);
  if (!error && place.has_filename() && std::filesystem::exists(place, error) &&
      !std::filesystem::is_directory(place, error)) {
    throw IoError::failed(directory.string(), "path", "a file", "a directory, or nothing yet");
  }
  if (!place.has_filename()) {
    place = place.parent_path();  // weakly_canonical keeps the slash behind what does not exist
  }
  std::filesystem::create_directories(place.parent_path(), error);
  if (error) {
    throw IoError::failed(
        directory.string(), "directory above it", system_reason(error.value()), "one that can be made");
  }
  return place;
}

/// @return  the process of a TemporaryDirectory, by what follows `.tmp.` in its name; 0 for any other name, such as the
///          one under which a crash in swap_in_three_steps leaves the old directory
inline pid_t process_of(std::string_view ending) {
  pid_t process = 0;
  unsigned number = 0;
  const std::span<const char> text(ending);
  const char* const end = text.data() + text.size();
  const auto [dot, error] = std::from_chars(text.data(), end, process);
  if (error != std::errc() || dot == end || *dot != '.') {
    return 0;
  }
  const auto [last, other] = std::from_chars(dot + 1, end, number);
  return other == std::errc() && last == end ? process : 0;
}

/// `text` with every `from` written as `to`.
inline std::string replace_all(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

}  // namespace detail

namespace detail {

/// The directories beside `place` whose name is its own, ".tmp." and something more.
inline std::vector<std::filesystem::path> temporary_siblings(const std::filesystem::path& place) {
  const std::string prefix = place.filename().string() + ".tmp.";
  std::vector<std::filesystem::path> siblings;
  std::error_code error;
  std::filesystem::directory_iterator entry(place.parent_path(), error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const bool named = entry->path().filename().string().starts_with(prefix);
    if (named && entry->symlink_status(error).type() == std::filesystem::file_type::directory) {
      siblings.push_back(entry->path());
    }
  }
  return siblings;
}

/// The absolute path of `directory`, whether it exists or not. @return empty if there is none
inline std::filesystem::path named_place(const std::filesystem::path& directory) {
  std::error_code error;
  const auto place = std::filesystem::weakly_canonical(std::filesystem::absolute(directory, error), error);
  return place.has_filename() ? place : place.parent_path();  // weakly_canonical keeps the slash of what is not there
}

}  // namespace detail

/// What replacing a directory would take away from somebody else.
///
/// @param own  names of the entries that the writer of the directory puts there
/// @return     the first other name in the order of bytes; empty if there is none, or no directory
/// @throws     IoError if it can't be listed
[[nodiscard]] inline std::string find_foreign_entry(const std::filesystem::path& directory,
                                                    std::span<const std::string_view> own) {
  std::string foreign;
  std::error_code error;
  std::filesystem::directory_iterator entry(directory, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (std::find(own.begin(), own.end(), name) == own.end() && (foreign.empty() || name < foreign)) {
      foreign = name;  // the order of a directory is the file system's
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    throw IoError::failed(directory.string(), "directory", system_reason(error.value()), "a readable directory");
  }
  return foreign;
}

/// Puts back the old content of a directory whose replacement was cut off by a crash between two renames, which happens
/// only on a file system that can't exchange directories. For the one program that writes `directory`, when it starts.
///
/// @return  whether it was missing and is there again
inline bool restore_interrupted_directory(const std::filesystem::path& directory) {
  const std::filesystem::path place = detail::named_place(directory);
  std::error_code error;
  if (place.empty() || std::filesystem::exists(place, error)) {
    return false;
  }
  for (const std::filesystem::path& sibling : detail::temporary_siblings(place)) {
    if (sibling.extension() == ".old") {
      return detail::rename_directory(sibling, place) == 0;
    }
  }
  return false;
}

/// Removes what killed processes left beside `directory`: temporary directories of write_directory_atomically whose
/// process does not run on this machine any more. For the one program that writes `directory`, when it starts.
///
/// @return  how many were removed
inline int remove_abandoned_directories(const std::filesystem::path& directory) {
  const std::filesystem::path place = detail::named_place(directory);
  const std::size_t prefix = place.filename().string().size() + std::string_view(".tmp.").size();
  std::vector<std::filesystem::path> abandoned;
  for (const std::filesystem::path& sibling : detail::temporary_siblings(place)) {
    const std::string name = sibling.filename().string();
    const pid_t process = detail::process_of(std::string_view(name).substr(prefix));
    if (process > 0 && ::kill(process, 0) != 0 && errno == ESRCH) {
      abandoned.push_back(sibling);
    }
  }
  std::error_code error;
  int removed = 0;
  for (const std::filesystem::path& path : abandoned) {
    removed += std::filesystem::remove_all(path, error) > 0 && !error ? 1 : 0;
  }
  return removed;
}

/// Replaces a directory in one step: readers see all of the old content or all of the new, never a part.
///
/// The content grows in a temporary directory beside the target, reaches the disk, and then changes places with it
/// (renameat2; on a file system without it two renames with a gap between them). Files that only the old directory
/// held are gone afterwards. A link to a directory stays and what it leads to is replaced; permissions are kept. The
/// directories above are made where they are missing.
///
/// @param directory  what to make or replace
/// @param produce    fills the directory it is given; whatever it throws leaves the old one unchanged
/// @throws           IoError naming `directory`, not the temporary one, if the content can't be written; it is then
///                   unchanged, and the message says so
inline void write_directory_atomically(const std::filesystem::path& directory,
                                       FunctionRef<void(const std::filesystem::path&)> produce) {
  const std::filesystem::path place = detail::directory_place(directory);
  const bool replaces = std::filesystem::exists(place);
  const detail::TemporaryDirectory temporary(place);
  const auto refuse = [&](std::string text) {
    constexpr std::string_view kOfOneFile = "; the path still holds what it held before";
    if (text.ends_with(kOfOneFile)) {
      text.resize(text.size() - kOfOneFile.size());
    }
    return IoError(detail::replace_all(text, temporary.path().string(), directory.string()) + "; " +
                   (replaces ? "the directory still holds what it held before" : "the directory was not made"));
  };
  try {
    produce(temporary.path());
    if (replaces) {
      std::error_code ignored;  // of another owner: the content matters more
      std::filesystem::permissions(temporary.path(), std::filesystem::status(place).permissions(), ignored);
    }
    detail::sync_directory(temporary.path());
    const int error = replaces ? detail::swap_directories(temporary.path(), place)
                               : detail::rename_directory(temporary.path(), place);
    if (error != 0) {
      throw IoError::failed(directory.string(), "rename", system_reason(error), "a replaceable directory");
    }
  } catch (const std::filesystem::filesystem_error& error) {
    throw refuse(reasonembed::detail::error_text(
        error.path1().string(), "directory", system_reason(error.code().value()), "one that can be written"));
  } catch (const IoError& error) {
    throw refuse(error.what());
  }
  FileHandle(place.parent_path(), O_RDONLY | O_DIRECTORY).sync();
}

}  // namespace reasonembed::io
