#pragma once
/// @file A server of chat completions behind TLS, with a certificate that is made for the test.
#include <doctest/doctest.h>

#include <support/data.hpp>
#include <support/scratch.hpp>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace test {

/// tls_server.py, as a process of its own that ends with this object.
class TlsServer {
 public:
  /// @param names  subject alternative names of the certificate, as openssl takes them: "IP:127.0.0.1"
  explicit TlsServer(const std::string& names, int days = 2) {
    const std::string command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days " +
                                std::to_string(days) + " -subj /CN=test -addext subjectAltName=" + names + " -keyout " +
                                (scratch_ / "key.pem").string() + " -out " + certificate().string() + " 2>" +
                                (scratch_ / "log").string();
    REQUIRE(std::system(command.c_str()) == 0);
    int input[2] = {-1, -1};
    int output[2] = {-1, -1};
    REQUIRE(::pipe(input) == 0);
    REQUIRE(::pipe(output) == 0);
    process_ = ::fork();
    REQUIRE(process_ >= 0);
    if (process_ == 0) {
      ::dup2(input[0], STDIN_FILENO);
      ::dup2(output[1], STDOUT_FILENO);
      for (const int end : {input[0], input[1], output[0], output[1]}) {
        ::close(end);
      }
      const std::string script = source_path("tests/support/tls_server.py").string();
      const std::string key = (scratch_ / "key.pem").string();
      ::execlp("python3", "python3", script.c_str(), certificate().c_str(), key.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(input[0]);
    ::close(output[1]);
    input_ = input[1];
    std::FILE* const line = ::fdopen(output[0], "r");
    REQUIRE(std::fscanf(line, "%d", &port_) == 1);
    std::fclose(line);
  }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;
  TlsServer(TlsServer&&) = delete;
  TlsServer& operator=(TlsServer&&) = delete;
  ~TlsServer() {
    ::close(input_);
    (void)::kill(process_, SIGTERM);
    (void)::waitpid(process_, nullptr, 0);
  }

  [[nodiscard]] std::filesystem::path certificate() const { return scratch_ / "certificate.pem"; }
  [[nodiscard]] std::string url() const {
    return "https://127.0.0.1:" + std::to_string(port_) + "/v1/chat/completions";
  }

 private:
  Scratch scratch_;
  pid_t process_ = -1;
  int input_ = -1;
  int port_ = 0;
};

}  // namespace test
