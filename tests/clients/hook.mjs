// Seed 004's front end, copied call by call, and as much of React as it calls.

const PORT_OF_THE_SEED = 'http://localhost:3000';

/** The seed's hook. What it imports is passed in; it is otherwise as the seed has it. */
const useChatOf = ({ io, useState, useEffect }) => (token) => {
  const [socket, setSocket] = useState(null);
  const [messages, setMessages] = useState([]);
  const [isTyping, setIsTyping] = useState(false);

  useEffect(() => {
    if (token) {
      const newSocket = io(PORT_OF_THE_SEED, {
        auth: { token }
      });

      newSocket.on('new_message', (data) => {
        setMessages(prev => [...prev, data.message]);
      });

      newSocket.on('typing_start', (data) => {
        setIsTyping(true);
      });

      newSocket.on('typing_stopped', (data) => {
        setIsTyping(false);
      });

      setSocket(newSocket);

      return () => newSocket.close();
    }
  }, [token]);

  const sendMessage = (receiverId, content) => {
    if (socket) {
      socket.emit('send_message', {
        receiverId,
        content,
        messageType: 'text'
      });
    }
  };

  return { socket, messages, isTyping, sendMessage };
};

/** The seed's typing indicator. */
const handleTypingOf = (socket) => {
  let typingTimeout;
  return function handleTyping(receiverId) {
    socket.emit('typing_start', { receiverId });

    clearTimeout(typingTimeout);
    typingTimeout = setTimeout(() => {
      socket.emit('typing_stop', { receiverId });
    }, 1000);
  };
};

/**
 * A component that shows the hook, without React: it is called again after each change of its
 * state, and its effect runs when what it depends on has changed.
 */
export class Component {
  shown; // what the hook returned last
  #states = [];
  #effect = { depends: null, undo: null };
  #props;
  #hook;

  /** `io` of the client library; `origin` is the change of URL that moving to this server is. */
  constructor(io, origin, options = {}) {
    this.#hook = useChatOf({
      io: (url, seeds) => io(url.replace(PORT_OF_THE_SEED, origin), { forceNew: true, ...seeds, ...options }),
      useState: (initial) => this.#useState(initial),
      useEffect: (effect, depends) => this.#useEffect(effect, depends),
    });
  }

  render(token = this.#props) {
    this.#props = token;
    this.#at = 0;
    this.shown = this.#hook(token);
    const run = this.#pending;
    this.#pending = null;
    run?.();
    return this;
  }

  unmount() {
    this.#effect.undo?.();
    this.#effect = { depends: null, undo: null };
  }

  get handleTyping() {
    this.#handleTyping ??= handleTypingOf(this.shown.socket);
    return this.#handleTyping;
  }

  #at = 0;
  #pending = null;
  #handleTyping = null;

  #useState(initial) {
    const place = this.#at;
    this.#at += 1;
    if (!(place in this.#states)) this.#states[place] = initial;
    return [this.#states[place], (next) => {
      this.#states[place] = typeof next === 'function' ? next(this.#states[place]) : next;
      this.render();
    }];
  }

  #useEffect(effect, depends) {
    if (this.#effect.depends?.every((value, i) => Object.is(value, depends[i]))) return;
    this.#effect.depends = depends;
    this.#pending = () => {
      this.#effect.undo?.();
      this.#effect.undo = effect();
    };
  }
}
