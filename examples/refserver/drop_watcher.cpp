#include "drop_watcher.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>

namespace refserver {

DropWatcher::DropWatcher() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), stop_event_(::eventfd(0, EFD_CLOEXEC)) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = stop_event_;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, stop_event_, &event);
  thread_ = std::thread(&DropWatcher::run, this);
}

DropWatcher::~DropWatcher() {
  ::eventfd_write(stop_event_, 1);
  thread_.join();
  ::close(stop_event_);
  ::close(epoll_);
}

void DropWatcher::run() {
  for (;;) {
    std::array<epoll_event, 64> events{};
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int socket = events[static_cast<std::size_t>(i)].data.fd;
      if (socket == stop_event_) return;
      const std::lock_guard lock(mutex_);
      const auto stream = streams_.find(socket);
      if (stream != streams_.end()) stream->second->cancel();
    }
  }
}

DropWatcher::Watch::Watch(DropWatcher& watcher, int socket, openwop::http::EventStream& stream)
    : watcher_(watcher), socket_(socket) {
  {
    const std::lock_guard lock(watcher_.mutex_);
    watcher_.streams_[socket_] = &stream;
  }
  epoll_event event{};
  event.events = EPOLLRDHUP | EPOLLONESHOT;
  event.data.fd = socket_;
  ::epoll_ctl(watcher_.epoll_, EPOLL_CTL_ADD, socket_, &event);
}

DropWatcher::Watch::~Watch() {
  ::epoll_ctl(watcher_.epoll_, EPOLL_CTL_DEL, socket_, nullptr);
  const std::lock_guard lock(watcher_.mutex_);
  watcher_.streams_.erase(socket_);
}

}  // namespace refserver
