// Notices clients that leave an open stream: one thread waits for hang-ups on all streaming sockets and cancels the
// stream, whose thread would otherwise learn of it only when it next has something to send.
//
// Thread-safety: all members from any thread.
#pragma once

#include <map>
#include <mutex>
#include <thread>

#include "openwop/protocol/http.h"

namespace refserver {

class DropWatcher {
 public:
  DropWatcher();
  DropWatcher(const DropWatcher&) = delete;
  DropWatcher& operator=(const DropWatcher&) = delete;
  ~DropWatcher();

  /// Watches until the object goes; `stream` outlives it.
  class Watch {
   public:
    Watch(DropWatcher& watcher, int socket, openwop::http::EventStream& stream);
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch();

   private:
    DropWatcher& watcher_;
    const int socket_;
  };

 private:
  void run();

  int epoll_ = -1;
  int stop_event_ = -1;
  std::mutex mutex_;
  std::map<int, openwop::http::EventStream*> streams_;
  std::thread thread_;
};

}  // namespace refserver
