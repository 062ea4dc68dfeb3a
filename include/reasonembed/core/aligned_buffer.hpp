#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>
#include <reasonembed/core/view.hpp>

#include <cstddef>
#include <cstring>
#include <limits>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace reasonembed::inline REASONEMBED_ABI {

/// Alignment of every buffer: one cache line, and one AVX-512 register.
inline constexpr std::size_t kAlignment = 64;

/// @return  rows * cols
/// @throws  ShapeError if an extent is negative or the product does not fit an Index
inline Index checked_size(std::string_view where, Index rows, Index cols) {
  Index size = 0;
  if (rows < 0 || cols < 0 || __builtin_mul_overflow(rows, cols, &size)) {
    throw ShapeError::invalid(where,
                              "shape",
                              "(" + std::to_string(rows) + ", " + std::to_string(cols) + ")",
                              "extents of at least 0 with a representable product");
  }
  return size;
}

/// A fixed number of trivially copyable elements, zeroed, aligned to kAlignment (to 2 MB from 4 MB on, with huge pages
/// requested for every whole 2 MB of it: page faults alone cost PyTorch half its bf16 speed on small models, see
/// docs/performance.md).
///
/// Move-only; a moved-from buffer is empty.
template <class T>
class AlignedBuffer {
  static_assert(std::is_trivially_copyable_v<T>, "reasonembed::AlignedBuffer: T must be trivially copyable");
  static_assert(alignof(T) <= kAlignment, "reasonembed::AlignedBuffer: T must not need more than kAlignment");

 public:
  AlignedBuffer() = default;
  /// @throws  std::bad_array_new_length if size is negative or absurd; std::bad_alloc if the memory can't be had
  explicit AlignedBuffer(Index size) : data_(allocate(size)), size_(size) {
    if (data_ != nullptr) {
      std::memset(static_cast<void*>(data_), 0, layout(size).bytes);
    }
  }
  /// @return  elements of any value. Of a large buffer, pages that nobody touches take no memory
  [[nodiscard]] static AlignedBuffer uncleared(Index size) {
    AlignedBuffer buffer;
    buffer.data_ = allocate(size);
    buffer.size_ = size;
    return buffer;
  }
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    AlignedBuffer(std::move(other)).swap(*this);
    return *this;
  }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  ~AlignedBuffer() {
    if (data_ != nullptr) {
      ::operator delete(data_, std::align_val_t(layout(size_).alignment));
    }
  }

  /// @return  bytes that a buffer of so many elements takes
  [[nodiscard]] static std::size_t footprint(Index size) { return size == 0 ? 0 : layout(size).bytes; }

  /// Gives pages back to the system, also where the allocator would keep what is freed; values are then unspecified.
  void discard() noexcept {
#if defined(__linux__)
    if (data_ != nullptr && layout(size_).alignment > kAlignment) {
      (void)madvise(static_cast<void*>(data_), layout(size_).bytes / kHugePage * kHugePage, MADV_DONTNEED);
    }
#endif
  }

  void swap(AlignedBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }
  [[nodiscard]] T* data() { return data_; }
  [[nodiscard]] const T* data() const { return data_; }
  [[nodiscard]] Index size() const { return size_; }
  [[nodiscard]] std::span<T> span() { return {data_, static_cast<std::size_t>(size_)}; }
  [[nodiscard]] std::span<const T> span() const { return {data_, static_cast<std::size_t>(size_)}; }

 private:
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;
  struct Layout {
    std::size_t alignment;
    std::size_t bytes;
  };
  static Layout layout(Index size) {
    const std::size_t bytes = static_cast<std::size_t>(size) * sizeof(T);
    const std::size_t alignment = bytes >= 2 * kHugePage ? kHugePage : kAlignment;
    return {alignment, (bytes + kAlignment - 1) / kAlignment * kAlignment};
  }
  /// By operator new, so that a program that counts or replaces allocations sees these too.
  static T* allocate(Index size) {
    if (size == 0) {
      return nullptr;
    }
    if (size < 0 || static_cast<std::size_t>(size) > std::numeric_limits<std::size_t>::max() / 4 / sizeof(T)) {
      throw std::bad_array_new_length();
    }
    const Layout wanted = layout(size);
    void* memory = ::operator new(wanted.bytes, std::align_val_t(wanted.alignment));
#if defined(__linux__)
    if (wanted.alignment > kAlignment) {
      // Advice: without huge pages the buffer is only slower. Not of its end, which would take 1 MB more than it holds.
      (void)madvise(memory, wanted.bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
    }
#endif
    return static_cast<T*>(memory);
  }

  T* data_ = nullptr;
  Index size_ = 0;
};

/// An owning row-major (rows, cols) matrix, zeroed, whose first element is aligned to kAlignment; the smallest thing a
/// caller can hold results in.
///
/// Move-only; a moved-from matrix is (0, 0).
template <class T>
class Matrix {
 public:
  Matrix() = default;
  /// @throws  ShapeError if an extent is negative or the size is not representable
  Matrix(Index rows, Index cols) : buffer_(checked_size("Matrix", rows, cols)), rows_(rows), cols_(cols) {}
  Matrix(Matrix&& other) noexcept
      : buffer_(std::move(other.buffer_)), rows_(std::exchange(other.rows_, 0)), cols_(std::exchange(other.cols_, 0)) {}
  Matrix& operator=(Matrix&& other) noexcept {
    Matrix moved(std::move(other));
    buffer_.swap(moved.buffer_);
    std::swap(rows_, moved.rows_);
    std::swap(cols_, moved.cols_);
    return *this;
  }
  Matrix(const Matrix&) = delete;
  Matrix& operator=(const Matrix&) = delete;
  ~Matrix() = default;

  [[nodiscard]] Index rows() const { return rows_; }
  [[nodiscard]] Index cols() const { return cols_; }
  [[nodiscard]] MatrixView<T> view() { return {buffer_.data(), rows_, cols_}; }
  [[nodiscard]] MatrixView<const T> view() const { return {buffer_.data(), rows_, cols_}; }
  [[nodiscard]] std::span<T> row(Index index) { return view().row(index); }
  [[nodiscard]] std::span<const T> row(Index index) const { return view().row(index); }
  [[nodiscard]] T& operator()(Index row, Index col) { return view()(row, col); }
  [[nodiscard]] const T& operator()(Index row, Index col) const { return view()(row, col); }
  [[nodiscard]] std::span<T> flat() { return buffer_.span(); }
  [[nodiscard]] std::span<const T> flat() const { return buffer_.span(); }

 private:
  AlignedBuffer<T> buffer_;
  Index rows_ = 0;
  Index cols_ = 0;
};

}  // namespace reasonembed
