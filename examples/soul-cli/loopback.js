// soul-cli listens on every address of the machine, and has no option for it. Here it listens on 127.0.0.1 alone.
const { Server } = require('net');
const { listen } = Server.prototype;
Server.prototype.listen = function (port, ...rest) {
  const ready = rest.find((argument) => typeof argument === 'function');
  return listen.call(this, { port: Number(port), host: '127.0.0.1' }, ready);
};
