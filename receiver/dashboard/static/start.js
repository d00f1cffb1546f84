// Where the jobs will be: once there is one, they are shown instead of the first steps.

if (location.pathname === "/") {
  const stream = new EventSource("/live");
  stream.addEventListener("job", () => location.reload());
  addEventListener("pagehide", () => stream.close());
}
