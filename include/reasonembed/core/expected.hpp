#pragma once
#include <reasonembed/config.hpp>
#include <reasonembed/core/error.hpp>

#include <concepts>
#include <exception>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace reasonembed::inline REASONEMBED_ABI {

/// Why something that may fail in the normal course of events did fail; one sentence.
struct Failure {
  std::string message;
  friend bool operator==(const Failure&, const Failure&) = default;
};

/// Marks a value as an error on its way into an Expected: `return Unexpected(error)`.
template <class E>
struct Unexpected {
  explicit Unexpected(E value) : error(std::move(value)) {}
  E error;
};

/// @return  an error that converts to every Expected<T>
[[nodiscard]] inline Unexpected<Failure> fail(std::string message) {
  return Unexpected<Failure>(Failure{std::move(message)});
}

/// Either a T or the reason E why there is none; for failures that are values to count and report, not exceptions.
///
/// @tparam E  Failure, or any error type. `value()` of a failed Expected throws Error with the message of a Failure,
///            throws E itself if E is an exception, and throws a fixed Error otherwise.
template <class T, class E = Failure>
class [[nodiscard]] Expected {
  static_assert(std::is_object_v<T> && std::is_object_v<E> && !std::is_const_v<T> && !std::is_const_v<E>,
                "reasonembed::Expected: T and E must be non-const object types");

 public:
  using Value = T;
  using ErrorType = E;

  // NOLINTNEXTLINE(google-explicit-constructor): `return value;` is the point of the class
  Expected(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  template <class F>
    requires std::constructible_from<E, F>
  // NOLINTNEXTLINE(google-explicit-constructor): `return fail("why");` likewise
  Expected(Unexpected<F> error) : state_(std::in_place_index<1>, std::move(error.error)) {}

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  /// @throws  Error (or E, see above) if there is no value
  [[nodiscard]] const T& value() const& {
    require_value();
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] T& value() & {
    require_value();
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] T&& value() && {
    require_value();
    return std::move(*std::get_if<0>(&state_));
  }
  /// @pre  has_value()
  [[nodiscard]] const T& operator*() const {
    REASONEMBED_ASSERT(has_value());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] T& operator*() {
    REASONEMBED_ASSERT(has_value());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] const T* operator->() const { return &**this; }
  [[nodiscard]] T* operator->() { return &**this; }

  /// @throws  Error if there is a value
  [[nodiscard]] const E& error() const {
    if (has_value()) {
      throw Error("Expected::error: state is a value, expected an error");
    }
    return *std::get_if<1>(&state_);
  }

  /// @return  the value, or `otherwise`
  [[nodiscard]] T value_or(T otherwise) const& { return has_value() ? **this : std::move(otherwise); }
  [[nodiscard]] T value_or(T otherwise) && { return has_value() ? std::move(**this) : std::move(otherwise); }

  /// @return  Expected<U, E>: f(value), or the error unchanged; f: T -> U
  template <class F>
  [[nodiscard]] auto map(F&& f) const {
    using Result = Expected<std::remove_cvref_t<std::invoke_result_t<F, const T&>>, E>;
    return has_value() ? Result(std::forward<F>(f)(**this)) : Result(Unexpected<E>(error()));
  }
  /// @return  f(value), or the error unchanged; f: T -> Expected<U, E>
  template <class F>
  [[nodiscard]] auto and_then(F&& f) const {
    using Result = std::remove_cvref_t<std::invoke_result_t<F, const T&>>;
    static_assert(std::same_as<typename Result::ErrorType, E>,
                  "reasonembed::Expected: and_then needs a function that returns an Expected with the same error type");
    return has_value() ? std::forward<F>(f)(**this) : Result(Unexpected<E>(error()));
  }

  friend bool operator==(const Expected& a, const Expected& b) { return a.state_ == b.state_; }

 private:
  void require_value() const {
    if (has_value()) {
      return;
    }
    if constexpr (std::is_same_v<E, Failure>) {
      throw Error(error().message);
    } else if constexpr (std::is_base_of_v<std::exception, E>) {
      throw error();
    } else {
      throw Error("Expected::value: state is an error, expected a value");
    }
  }

  std::variant<T, E> state_;
};

}  // namespace reasonembed
