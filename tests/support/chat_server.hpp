#pragma once
/// @file A server of chat completions on loopback that answers as a test tells it to, faults included.
#include <reasonembed/io/json.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace test {

/// The body of a chat completion.
inline std::string completion(const std::string& text,
                              const std::string& finish = "stop",
                              std::int64_t prompt_tokens = 3,
                              std::int64_t completion_tokens = 5) {
  return reasonembed::io::dump_json(
      {{"id", "chatcmpl-1"},
       {"object", "chat.completion"},
       {"choices",
        {{{"index", 0}, {"message", {{"role", "assistant"}, {"content", text}}}, {"finish_reason", finish}}}},
       {"usage", {{"prompt_tokens", prompt_tokens}, {"completion_tokens", completion_tokens}}}},
      -1);
}

struct HttpRequest {
  std::string head = {};  ///< request line and headers
  std::string body = {};

  /// @return  the text of the last message
  [[nodiscard]] std::string prompt() const {
    return reasonembed::io::parse_json(body, "request").at("messages").back().at("content").get<std::string>();
  }
};

/// What is sent back, and how.
struct HttpReply {
  static constexpr std::size_t kWhole = std::numeric_limits<std::size_t>::max();

  int status = 200;
  std::string body = {};
  std::string content_type = "application/json";  ///< "" sends none
  std::vector<std::string> headers = {};
  double delay = 0.0;           ///< seconds before the first byte
  double drip = 0.0;            ///< seconds between bytes; 0 sends all at once
  std::size_t cut_at = kWhole;  ///< the connection is closed after so many bytes
  bool hangs = false;           ///< no byte ever comes
  std::string instead = {};     ///< sent in place of a response, if not empty
};

/// One thread, one loop over all connections: delays of many requests overlap, so that 64 in flight are answered
/// together.
class ChatServer {
 public:
  using Answer = std::function<HttpReply(const HttpRequest&)>;

  /// @param answer  called in the server's thread
  explicit ChatServer(Answer answer) : answer_(std::move(answer)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    int ends[2] = {-1, -1};
    if (listener_ < 0 || ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener_, 1024) != 0 || ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
        ::pipe2(ends, O_CLOEXEC) != 0) {
      throw std::runtime_error("test::ChatServer: no socket on loopback");
    }
    port_ = ntohs(address.sin_port);
    wake_read_ = ends[0];
    wake_write_ = ends[1];
    thread_ = std::thread([this] { serve(); });
  }
  ChatServer(const ChatServer&) = delete;
  ChatServer& operator=(const ChatServer&) = delete;
  ChatServer(ChatServer&&) = delete;
  ChatServer& operator=(ChatServer&&) = delete;
  ~ChatServer() {
    (void)!::write(wake_write_, "x", 1);
    thread_.join();
    for (const int number : {listener_, wake_read_, wake_write_}) {
      (void)::close(number);
    }
  }

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/v1/chat/completions"; }
  [[nodiscard]] std::int64_t requests() const { return requests_.load(); }
  [[nodiscard]] std::int64_t connections() const { return connections_.load(); }
  /// @return  the most requests that were open at a time
  [[nodiscard]] int most_open() const { return most_open_.load(); }
  [[nodiscard]] int open() const { return open_.load(); }

 private:
  struct Connection {
    int number = -1;
    std::string input = {};
    std::string output = {};
    double due = 0.0;  // when more of the output may go
    double drip = 0.0;
    bool busy = false;  // a request is being answered
    bool closes = false;
    bool hangs = false;
    bool dead = false;
  };

  static double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }

  void serve() {
    std::vector<Connection> all;
    std::vector<pollfd> polled;
    for (;;) {
      polled.assign({{wake_read_, POLLIN, 0}, {listener_, POLLIN, 0}});
      double pause = 1.0;
      const double time = now();
      for (const Connection& c : all) {
        const bool ready = c.busy && !c.hangs && c.due <= time;
        polled.push_back({c.number, static_cast<short>(ready ? POLLIN | POLLOUT : POLLIN), 0});
        if (c.busy && !c.hangs && c.due > time) {
          pause = std::min(pause, c.due - time);
        }
      }
      const timespec wait{static_cast<time_t>(pause), static_cast<long>((pause - static_cast<time_t>(pause)) * 1e9)};
      (void)::ppoll(polled.data(), polled.size(), &wait, nullptr);
      if (polled[0].revents != 0) {
        break;
      }
      for (std::size_t i = 0; i < all.size(); ++i) {
        advance(all[i], polled[i + 2].revents);
      }
      std::erase_if(all, [](const Connection& c) { return c.dead; });
      if (polled[1].revents != 0) {
        accept_all(all);
      }
    }
    for (const Connection& c : all) {
      (void)::close(c.number);
    }
  }
  void accept_all(std::vector<Connection>& all) {
    for (;;) {
      const int number = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (number < 0) {
        return;
      }
      const int on = 1;
      (void)::setsockopt(number, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      ++connections_;
      all.push_back(Connection{.number = number});
    }
  }
  void advance(Connection& c, short events) {
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) {
      char piece[16384];
      const ssize_t count = ::recv(c.number, piece, sizeof piece, 0);
      if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
        close(c);
        return;
      }
      c.input.append(piece, count > 0 ? static_cast<std::size_t>(count) : 0);
    }
    if (!c.busy) {
      take_request(c);
    }
    if (c.busy && !c.hangs && c.due <= now()) {
      send_some(c);
    }
  }
  void take_request(Connection& c) {
    if (c.input.starts_with('\x16')) {  // the first byte of TLS
      c.input.clear();
      ++open_;
      answer(c, {.status = 400, .cut_at = 30});
      return;
    }
    const std::size_t end = c.input.find("\r\n\r\n");
    if (end == std::string::npos) {
      return;
    }
    std::string head = c.input.substr(0, end);
    std::string lower = head;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char x) { return std::tolower(x); });
    const std::size_t field = lower.find("content-length:");
    const std::size_t length = field == std::string::npos ? 0 : std::stoul(lower.substr(field + 15));
    if (c.input.size() < end + 4 + length) {
      return;
    }
    const HttpRequest request{.head = std::move(head), .body = c.input.substr(end + 4, length)};
    c.input.erase(0, end + 4 + length);
    ++requests_;
    most_open_ = std::max(most_open_.load(), ++open_);
    answer(c, answer_(request));
  }
  static void answer(Connection& c, const HttpReply& reply) {
    c.output = "HTTP/1.1 " + std::to_string(reply.status) + " Status\r\n";
    c.output += reply.content_type.empty() ? "" : "Content-Type: " + reply.content_type + "\r\n";
    for (const std::string& header : reply.headers) {
      c.output += header + "\r\n";
    }
    c.output += "Content-Length: " + std::to_string(reply.body.size()) + "\r\n\r\n" + reply.body;
    if (!reply.instead.empty()) {
      c.output = reply.instead;
    }
    c.closes = reply.cut_at != HttpReply::kWhole || !reply.instead.empty();
    c.output.resize(std::min(c.output.size(), reply.cut_at));
    c.due = now() + reply.delay;
    c.drip = reply.drip;
    c.hangs = reply.hangs;
    c.busy = true;
  }
  void send_some(Connection& c) {
    const std::size_t most = c.drip > 0.0 ? std::min<std::size_t>(c.output.size(), 1) : c.output.size();
    const ssize_t count = ::send(c.number, c.output.data(), most, MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) {
      close(c);
      return;
    }
    c.output.erase(0, count > 0 ? static_cast<std::size_t>(count) : 0);
    c.due = now() + c.drip;
    if (c.output.empty()) {
      if (c.closes) {
        close(c);
        return;
      }
      c.busy = false;
      --open_;
    }
  }
  void close(Connection& c) {
    (void)::close(c.number);
    c.dead = true;
    open_ -= c.busy ? 1 : 0;
  }

  Answer answer_;
  int listener_ = -1;
  int wake_read_ = -1;
  int wake_write_ = -1;
  int port_ = 0;
  std::atomic<std::int64_t> requests_{0};
  std::atomic<std::int64_t> connections_{0};
  std::atomic<int> most_open_{0};
  std::atomic<int> open_{0};
  std::thread thread_;
};

}  // namespace test
