#pragma once
#include <reasonembed/config.hpp>

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace reasonembed::inline REASONEMBED_ABI {

template <class Signature>
class FunctionRef;

/// A callable that somebody else owns: two words, no allocation, one indirect call.
///
/// Made for parameters: the callable must outlive every call through the reference, which a temporary lambda in the
/// argument list of the called function does.
template <class Result, class... Args>
class FunctionRef<Result(Args...)> {
 public:
  /// @param callable  an object or function called as `callable(args...)` whose result converts to Result; not copied
  template <class Callable>
    requires(!std::same_as<std::remove_cvref_t<Callable>, FunctionRef> &&
             !std::is_member_pointer_v<std::remove_cvref_t<Callable>> &&
             std::is_invocable_r_v<Result, Callable&, Args...>)
  // NOLINTNEXTLINE(google-explicit-constructor,bugprone-forwarding-reference-overload): a parameter type
  FunctionRef(Callable&& callable) noexcept {
    using Target = std::remove_reference_t<Callable>;
    if constexpr (std::is_function_v<Target>) {
      target_.function = reinterpret_cast<void (*)()>(std::addressof(callable));
      call_ = [](Storage target, Args... args) -> Result {
        return reinterpret_cast<Target*>(target.function)(std::forward<Args>(args)...);
      };
    } else {
      target_.object = const_cast<void*>(static_cast<const volatile void*>(std::addressof(callable)));
      call_ = [](Storage target, Args... args) -> Result {
        if constexpr (std::is_void_v<Result>) {
          (*static_cast<Target*>(target.object))(std::forward<Args>(args)...);
        } else {
          return (*static_cast<Target*>(target.object))(std::forward<Args>(args)...);
        }
      };
    }
  }

  Result operator()(Args... args) const { return call_(target_, std::forward<Args>(args)...); }

 private:
  union Storage {
    void* object;
    void (*function)();
  };

  Storage target_;
  Result (*call_)(Storage, Args...);
};

}  // namespace reasonembed
