"""Le français : pour chaque étape, son titre et une phrase qui dit pourquoi elle est là."""

STEPS = {
    # The command
    "a process that tells what the others do": (
        "un processus qui raconte ce que font les autres",
        "Pour raconter dans l'ordre, il faut qu'un seul processus entende tous les autres : il est créé avant "
        "tout le reste.",
    ),
    "a monitor for the container, instead of a daemon": (
        "un moniteur pour le conteneur, à la place d'un démon",
        "Il faut quelqu'un auprès du conteneur pour tenir son terminal et apprendre comment il se termine : ici "
        "un petit processus par conteneur, là où Docker a un démon pour tous.",
    ),
    "a keeper for the process that goes into the container": (
        "un gardien pour le processus qui entre dans le conteneur",
        "Il faut quelqu'un pour tenir le terminal ou les tubes du nouveau processus, et apprendre comment il se "
        "termine.",
    ),
    "a name, a directory and a record": (
        "un nom, un répertoire et une fiche",
        "Un conteneur existe sur le disque avant de fonctionner : son répertoire contient tout ce qu'il "
        "modifiera, et un verrou dit si quelqu'un s'en occupe.",
    ),
    "put away until it is started": (
        "rangé jusqu'à ce qu'on le démarre",
        "create s'arrête ici : le conteneur est sur le disque, et rien de lui n'est encore dans le noyau.",
    ),
    "the container claimed, so that nobody else starts or removes it": (
        "le conteneur est réservé, pour que personne d'autre ne le démarre ni ne le supprime",
        "Un verrou sur son répertoire est tenu par celui qui s'en occupe, et le noyau le relâche à la mort de son"
        " porteur.",
    ),
    "a kernel module": (
        "un module du noyau",
        "Les couches ont besoin du système de fichiers overlay, que beaucoup de noyaux ne chargent qu'à la "
        "demande.",
    ),
    "whether a kernel module could be loaded": (
        "un module du noyau pourrait-il être chargé",
        "Ce que le noyau n'a pas chargé, il peut l'avoir tout de même : modprobe le cherche, et ne charge rien.",
    ),
    "the image built by its recipe, a program of its own": (
        "l'image construite par sa recette, un programme à part",
        "Sans registre à portée, la recette de l'image la fabrique à partir de ses sources.",
    ),
    # Before the clone
    "what the container is, written down as an OCI bundle": (
        "ce qu'est le conteneur, mis par écrit dans un bundle OCI",
        "Tout ce que sera le conteneur tient dans un texte, config.json, sous la forme normalisée que lit aussi "
        "runc : à partir d'ici, plus personne ne regarde la ligne de commande.",
    ),
    "files of its own for names: hosts, hostname, resolv.conf": (
        "ses propres fichiers de noms : hosts, hostname, resolv.conf",
        "Ceux de l'image sont ceux d'une autre machine : les siens sont écrits à l'extérieur, puis montés par-"
        "dessus à l'intérieur.",
    ),
    "a volume: a directory that outlives its containers": (
        "un volume : un répertoire qui survit à ses conteneurs",
        "Ce qu'un conteneur écrit dans sa propre couche disparaît avec lui : un volume est un répertoire de "
        "l'hôte, et il reste.",
    ),
    "a volume's own file system": (
        "le système de fichiers propre à un volume",
        "Un volume peut être un système de fichiers à part, sur un disque, en mémoire ou sur une autre machine : "
        "il est monté quand le premier conteneur s'en sert.",
    ),
    "the image's files at that place, copied into the new volume": (
        "les fichiers que l'image a à cet endroit, copiés dans le nouveau volume",
        "Un volume cache ce que l'image a au même endroit : un volume neuf commence donc par en recevoir une "
        "copie.",
    ),
    "a volume that nobody has, out of sight before it is emptied": (
        "un volume que personne n'a, mis hors de vue avant d'être vidé",
        "Il est d'abord renommé : dès cet instant il n'existe plus pour personne, quoi qui interrompe la suite.",
    ),
    "a volume emptied, where nobody finds it any more": (
        "un volume vidé, là où plus personne ne le trouve",
        "Cela peut être long : c'est donc fait sans le verrou que d'autres attendent.",
    ),
    "a volume's file system, unmounted with its last container": (
        "le système de fichiers d'un volume, démonté avec son dernier conteneur",
        "Plus personne ne s'en sert : le disque, la mémoire ou l'autre machine sont donc lâchés.",
    ),
    "shared memory where other containers find it": (
        "de la mémoire partagée là où d'autres conteneurs la trouvent",
        "Un conteneur dont l'IPC peut être partagé a son /dev/shm à l'extérieur, où ceux qui le rejoignent "
        "peuvent aussi le monter.",
    ),
    "shared memory, taken away with its owner": (
        "la mémoire partagée, retirée avec son propriétaire",
        "C'était celle de ce conteneur : ceux qui l'ont rejoint gardent ce qu'ils ont monté, et personne ne vient"
        " plus.",
    ),
    "ports of the host, before anybody else takes them": (
        "des ports de l'hôte, avant qu'un autre ne les prenne",
        "Deux programmes ne peuvent pas écouter sur le même port : il est pris d'abord, pour qu'un conteneur dont"
        " le port est occupé ne démarre pas du tout.",
    ),
    "the system call filter, compiled or from the cache": (
        "le filtre d'appels système, compilé ou repris du cache",
        "Les appels système permis sont décrits par un petit programme destiné au noyau (BPF) : il est préparé "
        "d'avance, car cela prend plus de temps que tout le reste.",
    ),
    "a control group with the limits": (
        "un groupe de contrôle avec les limites",
        "Un groupe de contrôle dit combien de mémoire, de temps de calcul et de processus un groupe peut utiliser"
        " : il est là, limites comprises, avant que le premier processus n'y naisse.",
    ),
    "other limits for the container's cgroup": (
        "d'autres limites pour le cgroup du conteneur",
        "Les limites sont des fichiers : un nouveau nombre écrit là vaut aussitôt, pour tous les processus du "
        "groupe.",
    ),
    "a process in namespaces of its own": (
        "un processus dans ses propres namespaces",
        "Un seul appel système fait le conteneur : un fork dont l'enfant voit d'autres montages, d'autres "
        "processus, un autre réseau et d'autres noms que son parent.",
    ),
    # Inside, until pivot_root
    "tied to its creator: dies when that dies": (
        "lié à son créateur : il meurt avec lui",
        "Si le processus qui a créé celui-ci est tué, le noyau tue aussi celui-ci : il n'en reste aucun dont "
        "personne ne s'occupe.",
    ),
    "hold of what is to stay shared with the host, if anything": (
        "ce qui doit rester partagé avec l'hôte, s'il y en a, est retenu",
        "Un volume peut partager ses montages avec l'hôte : ces répertoires sont retenus par des descripteurs "
        "avant que tous les autres montages ne soient coupés.",
    ),
    "namespaces made from inside or joined": (
        "les namespaces créés de l'intérieur ou rejoints",
        "La racine d'un namespace de cgroups est le groupe où se trouve celui qui le crée : il est donc créé de "
        "l'intérieur.",
    ),
    "mounts of its own: what happens here stays here": (
        "ses propres montages : ce qui se passe ici reste ici",
        "Le nouveau namespace de montages est une copie de celui de l'hôte : rendu esclave, il apprend encore les"
        " montages de l'hôte, mais l'hôte n'apprend plus les nôtres.",
    ),
    "the image's layers with a writable one on top": (
        "les couches de l'image, avec une couche en écriture par-dessus",
        "Tous les conteneurs d'une image partagent ses couches en lecture seule, et chacun n'écrit que dans la "
        "sienne : voilà pourquoi en démarrer un ne copie rien.",
    ),
    "proc, sys, dev and the caller's directories": (
        "proc, sys, dev et les répertoires demandés",
        "Ce sont des fenêtres sur le noyau et sur des répertoires de l'hôte : chacune est montée à neuf, avec la "
        "vue qu'en donnent les namespaces de ce conteneur.",
    ),
    "devices: a handful of harmless ones": (
        "des périphériques : une poignée, et sans danger",
        "Les programmes s'attendent à trouver null, zero, random et leurs semblables : les disques de l'hôte n'en"
        " font pas partie.",
    ),
    "the working directory, if the image lacks it": (
        "le répertoire de travail, si l'image ne l'a pas",
        "Le programme démarre dans ce répertoire : il doit exister avant que la racine ne passe, peut-être, en "
        "lecture seule.",
    ),
    "what every container has, whatever its image has in its place": (
        "ce que tout conteneur possède, quoi que l'image ait à cette place",
        "Les endroits où l'on monte, comme /proc et /etc/hosts, dans une couche entre celles de l'image et celle du "
        "conteneur : une image peut ne pas les avoir, ou y avoir autre chose.",
    ),
    "a null device to mask files with": (
        "un périphérique null pour masquer des fichiers",
        "Les fichiers de proc que le conteneur ne doit pas voir sont cachés en montant par-dessus un périphérique null"
        " : il est créé ici, car un /dev/null du conteneur pourrait être n'importe quoi.",
    ),
    "the new root: the host's files are gone from sight": (
        "la nouvelle racine : les fichiers de l'hôte ont disparu",
        "pivot_root échange la racine du namespace de montages et lâche l'ancienne : contrairement à chroot, "
        "aucun retour n'est possible, puisqu'il n'y a plus rien derrière.",
    ),
    # Inside, after pivot_root
    "a terminal of its own": (
        "un terminal à lui",
        "Un pseudo-terminal dans le devpts du conteneur : l'édition de ligne, Ctrl-C et le contrôle des tâches "
        "fonctionnent à l'intérieur, et le moniteur tient l'autre bout.",
    ),
    "loopback up": (
        "l'interface de bouclage activée",
        "Un namespace réseau neuf n'a qu'une interface, lo, et elle est inactive : sans elle, localhost ne répond"
        " à personne.",
    ),
    "a host name of its own": (
        "un nom d'hôte à lui",
        "Dans son propre namespace UTS, changer le nom de la machine ne le change que pour ce conteneur.",
    ),
    "kernel parameters": (
        "des paramètres du noyau",
        "Certains paramètres appartiennent à un namespace : un conteneur peut donc avoir ses propres valeurs.",
    ),
    "parts of proc and sys masked or read-only": (
        "des parties de proc et de sys masquées ou en lecture seule",
        "proc et sys ne connaissent pas les conteneurs : certains de leurs fichiers en disent trop sur l'hôte, ou"
        " le modifieraient pour tout le monde.",
    ),
    "limits of the process itself": (
        "les limites du processus lui-même",
        "Les limites de ressources (ulimit) appartiennent au processus, et ses enfants en héritent.",
    ),
    "keys left outside": (
        "les clés restent dehors",
        "Le noyau garde un trousseau de clés par session : un trousseau neuf laisse dehors celui de l'appelant.",
    ),
    "the program is looked up, in the container's own PATH": (
        "le programme est cherché, dans le PATH du conteneur",
        "Maintenant, dans la nouvelle racine, où les fichiers de même nom de l'hôte sont hors d'atteinte.",
    ),
    "everything is ready: wait for the start": (
        "tout est prêt : attendre le départ",
        "La maison est construite, mais personne ne l'habite encore : le moniteur raccorde le réseau et le "
        "terminal de l'appelant, puis donne le départ.",
    ),
    # Power goes
    "most of root's power out of reach for ever": (
        "l'essentiel du pouvoir de root hors d'atteinte, pour toujours",
        "Le pouvoir de root est découpé en une quarantaine de capabilities : ce qui quitte le « bounding set » ne"
        " peut plus revenir, pas même par un programme set-uid.",
    ),
    "standard input, output and error; nothing else stays open": (
        "entrée, sortie et erreur standard ; rien d'autre ne reste ouvert",
        "Un fichier de l'hôte resté ouvert serait une issue : seuls ces trois-là passent à travers execve.",
    ),
    "signals as a program expects to find them": (
        "les signaux tels qu'un programme s'attend à les trouver",
        "execve laisse ignorés les signaux qui l'étaient : le programme ne doit pas hériter de ce qu'ignorent "
        "Python ou l'appelant.",
    ),
    "system calls filtered": (
        "les appels système filtrés",
        "À partir d'ici, le noyau consulte le filtre à chaque appel système : sur plus de 300, ceux de "
        "l'administrateur sont refusés.",
    ),
    "root's power cut down, another user if asked for": (
        "le pouvoir de root réduit, un autre utilisateur si c'est demandé",
        "Le programme doit avoir l'utilisateur et les capabilities qui lui ont été promis, et rien de plus.",
    ),
    "the program takes over": (
        "le programme prend la place",
        "execve remplace minidock par le programme, dans le même processus : tout ce qui précède l'entoure "
        "désormais, et minidock n'y est plus.",
    ),
    "it runs: written down for every other command": (
        "il fonctionne : c'est noté pour toutes les autres commandes",
        "Il n'y a pas de démon à interroger : ce que les autres doivent savoir, son pid avant tout, est dans un "
        "fichier.",
    ),
    "the monitor's socket, made anew where it was wiped": (
        "le socket du moniteur, refait là où il avait disparu",
        "Quelqu'un a vidé /run, et plus personne ne trouve le moniteur : un signal lui fait refaire son socket.",
    ),
    "a socket for those who attach to it later, or wait for its end": (
        "une socket pour ceux qui s'y attacheront plus tard, ou qui attendent sa fin",
        "attach, stop ou wait viennent d'autres processus : ils trouvent le moniteur par ce nom dans le système "
        "de fichiers.",
    ),
    "the size of the window, passed on": (
        "la taille de la fenêtre, transmise",
        "Le noyau prévient les programmes d'un terminal quand sa taille change ; or celui du conteneur en est un "
        "autre.",
    ),
    "the monitor made small: a program that only waits": (
        "le moniteur réduit à un petit programme qui attend",
        "Un conteneur peut fonctionner des années : son moniteur devient un programme bien plus petit, avec le "
        "même pid et les mêmes fichiers ouverts, et redevient lui-même quand il se passe quelque chose.",
    ),
    # Networks
    "a subnet that nothing else on this host uses": (
        "un sous-réseau que rien d'autre n'utilise sur cet hôte",
        "Les adresses des conteneurs ne doivent pas être celles d'un réseau que l'hôte atteint déjà.",
    ),
    "a bridge on the host for the network": (
        "un pont sur l'hôte pour le réseau",
        "Un pont est un commutateur logiciel : tout ce qui y est branché peut communiquer.",
    ),
    "a new network": (
        "un nouveau réseau",
        "Un réseau est un nom, un sous-réseau et un pont : les conteneurs qui y sont se voient, les autres non.",
    ),
    "a network is unmade": (
        "un réseau est défait",
        "Son pont, ses adresses et ses règles disparaissent : c'est possible tant qu'aucun conteneur n'y est.",
    ),
    "an address for the container": (
        "une adresse pour le conteneur",
        "Le conteneur est une machine dans un réseau : il reçoit la prochaine adresse libre, et la garde tant "
        "qu'il fonctionne.",
    ),
    "cables to its networks": (
        "des câbles vers ses réseaux",
        "Le nouveau namespace réseau est vide : il est raccordé de l'extérieur.",
    ),
    "a cable between the container and the bridge": (
        "un câble entre le conteneur et le pont",
        "Une paire veth est un câble virtuel : un bout est dans le conteneur et s'appelle eth0, l'autre est "
        "branché sur le pont.",
    ),
    "its address inside": (
        "son adresse à l'intérieur",
        "L'interface intérieure reçoit l'adresse, comme sur n'importe quelle machine.",
    ),
    "the bridge as its way to everyone else": (
        "le pont comme chemin vers tous les autres",
        "Ce qui n'est pour aucun voisin est envoyé au pont, c'est-à-dire à l'hôte.",
    ),
    "the packet filter: the host's address towards the world, its published ports": (
        "le filtre de paquets : l'adresse de l'hôte vers l'extérieur, les ports publiés",
        "À l'extérieur, personne ne connaît l'adresse du conteneur : l'hôte y met la sienne et se souvient de la "
        "connexion (masquerading), et il transmet ce qui arrive sur un port publié.",
    ),
    "a name server of its own, for the names of its neighbours": (
        "son propre serveur de noms, pour les noms de ses voisins",
        "Sur un réseau que l'on a créé, les conteneurs se trouvent par leur nom : un petit serveur de noms, en "
        "127.0.0.11 à l'intérieur, les connaît.",
    ),
    "another network, for a container that runs": (
        "un réseau de plus, pour un conteneur qui fonctionne",
        "Un conteneur qui fonctionne reçoit un câble de plus : rien n'a besoin d'y être redémarré.",
    ),
    "the container leaves a network": (
        "le conteneur quitte un réseau",
        "Son câble vers ce réseau est débranché pendant qu'il fonctionne, et l'adresse est libre.",
    ),
    "the packet filter, anew": (
        "le filtre de paquets, à neuf",
        "D'autres ont pu vider les règles : ce qui doit valoir découle de qui est sur quel réseau, et peut donc "
        "être réécrit à tout moment.",
    ),
    "has somebody else changed the packet filter?": (
        "quelqu'un d'autre a-t-il modifié le filtre de paquets ?",
        "Le noyau compte les modifications de ses règles : un nombre suffit pour savoir si quelqu'un, un pare-feu"
        " redémarré par exemple, y a touché.",
    ),
    "the container's cables and addresses go back": (
        "les câbles et les adresses du conteneur sont rendus",
        "Le câble est débranché, et l'adresse est libre pour le prochain conteneur.",
    ),
    # The end
    "what is wanted of it, told to its monitor": (
        "ce qu'on veut de lui, dit à son moniteur",
        "Le moniteur doit savoir, avant la fin du conteneur, si elle est voulue : une politique de redémarrage "
        "pourrait le relancer.",
    ),
    "a signal for the container's first process": (
        "un signal pour le premier processus du conteneur",
        "Le signal passe par un pidfd, qui ne peut pas désigner un autre processus ayant reçu entre-temps le même"
        " numéro.",
    ),
    "everything undone": (
        "tout est défait",
        "Ce qui reste dans son groupe de contrôle est tué, le groupe supprimé, le câble débranché : seuls ses "
        "fichiers restent, ou partent aussi avec --rm.",
    ),
    "the container and its files removed": (
        "le conteneur et ses fichiers supprimés",
        "Le répertoire est d'abord renommé : dès cet instant le conteneur n'existe plus pour personne, quoi qui "
        "interrompe la suite.",
    ),
    "what a monitor that was killed has left behind": (
        "ce qu'a laissé un moniteur qui a été tué",
        "Un verrou que personne ne tient dit que le moniteur est mort : celui qui le constate défait ce qu'il n'a"
        " pas pu défaire.",
    ),
    # exec, cp
    "the container's first process, held by a descriptor": (
        "le premier processus du conteneur, tenu par un descripteur",
        "Un pid est un numéro qui peut être redonné à un autre processus : un pidfd désigne celui-ci pour "
        "toujours, même une fois terminé.",
    ),
    "the container's system call filter, from the cache": (
        "le filtre d'appels système du conteneur, repris du cache",
        "Ce qui entre plus tard est soumis au même filtre.",
    ),
    "the user, looked up in the container's own files": (
        "l'utilisateur, cherché dans les fichiers du conteneur",
        "Les noms d'utilisateurs sont ceux du conteneur : son passwd est lu à travers une copie de ses montages, "
        "sans qu'un processus y entre.",
    ),
    "Become a program of its own, which knows little of its caller": (
        "un programme à part, qui sait peu de son appelant",
        "Ce qui approche d'un conteneur pourrait être lu de l'intérieur : il commence donc avec une mémoire à lui, et "
        "quelques variables de l'environnement de l'appelant.",
    ),
    "Let nobody inside run this Python": (
        "son propre Python, que personne à l'intérieur ne peut exécuter",
        "Avant d'être le programme du conteneur, un processus est le Python de minidock : de l'intérieur, on pourrait "
        "l'exécuter, ou l'écraser pour la fois suivante. Il vient donc d'un montage où ni l'un ni l'autre n'est "
        "possible.",
    ),
    "Clone a process into the container's cgroup": (
        "un processus né dans le cgroup du conteneur",
        "Dès sa première instruction, le nouveau processus vit sous les limites du conteneur. Ses enfants seront du "
        "conteneur, lui pas encore.",
    ),
    "Take nothing along: no other open file, no words of the caller's": (
        "rien d'emporté : ni fichier ouvert, ni mots de l'appelant",
        "Qui en a le droit à l'intérieur lit la mémoire, l'environnement et les fichiers ouverts d'un processus dès "
        "qu'il est là : il n'apporte donc rien.",
    ),
    "Join the container's namespaces, all at once; that of processes for a child": (
        "les namespaces du conteneur, tous à la fois ; celui des processus pour son enfant",
        "setns fait entrer ce processus dans les namespaces du PID 1 du conteneur. Celui des processus ne vaut que "
        "pour ses enfants : personne à l'intérieur ne le voit encore.",
    ),
    "Be born into the container's process namespace, last of all": (
        "né parmi les processus du conteneur, sans plus rien à perdre",
        "Un processus naît dans son namespace de processus, et d'autres peuvent y avoir le droit de le tracer : cela "
        "vient donc en dernier, quand il n'a pas plus que tout processus du conteneur.",
    ),
    "a copy of the container's mounts": (
        "une copie des montages du conteneur",
        "Pour atteindre ses fichiers, volumes compris, tout son arbre de montages est copié et tenu par un "
        "descripteur : aucun processus n'y entre.",
    ),
    "no device and no program in the copy works": (
        "aucun périphérique, aucun programme de la copie ne fonctionne",
        "Un conteneur y met ce qu'il veut : qui lit ses fichiers n'ouvre pas de périphérique et n'exécute rien.",
    ),
    "the container's layers mounted, where nobody sees it": (
        "les couches du conteneur montées, là où personne ne les voit",
        "Un conteneur arrêté n'a pas de montages : ses couches sont montées pour un instant, dans aucun "
        "namespace.",
    ),
    # Images
    "a helper that lets the container go on, whatever becomes of us": (
        "un aide qui laissera repartir le conteneur, quoi qu'il nous arrive",
        "Si cette commande était tuée maintenant, personne ne dégèlerait le conteneur : un second processus "
        "attend donc la fin du premier.",
    ),
    "the container goes on": (
        "le conteneur repart",
        "Le groupe est dégelé, et aucun processus à l'intérieur ne sait qu'il a été arrêté, sinon par l'horloge.",
    ),
    "the container paused": (
        "le conteneur mis en pause",
        "On copie mal des fichiers en cours d'écriture : geler le groupe de contrôle arrête tous ses processus "
        "d'un coup.",
    ),
    "what was changed becomes a layer": (
        "ce qui a changé devient une couche",
        "Tout ce que le conteneur a modifié est dans sa couche en écriture : mis en archive, c'est une nouvelle "
        "couche d'image.",
    ),
    "unpack a layer": (
        "dépaqueter une couche",
        "Une couche est une archive tar : elle est dépaquetée une seule fois, puis partagée par tous les "
        "conteneurs.",
    ),
    "collect garbage": (
        "ramasser les miettes",
        "Ce dont plus aucun nom ni aucun conteneur n'a besoin est supprimé.",
    ),
    "Look up the path on the host": (
        "Chercher le chemin sur l'hôte",
        "Les liens d'un chemin sont suivis un par un, depuis la racine : ce qui est copié doit être le fichier voulu.",
    ),
    "Look up the path in the container": (
        "Chercher le chemin dans le conteneur",
        "Un chemin du conteneur est cherché dans sa propre arborescence (openat2 avec RESOLVE_IN_ROOT) : aucun lien "
        "n'y mène à un fichier de l'hôte.",
    ),
    "Copy the files as a tar stream": (
        "Copier les fichiers en un flux tar",
        "Les fichiers sont empaquetés d'un côté et extraits de l'autre, avec leurs droits, leurs dates et leurs "
        "propriétaires.",
    ),
    "Write the network into the container's record": (
        "Inscrire le réseau dans la fiche du conteneur",
        "La fiche dit sur quels réseaux est le conteneur, y compris à son prochain démarrage.",
    ),
    "Take the network out of the container's record": (
        "Retirer le réseau de la fiche du conteneur",
        "À son prochain démarrage, le conteneur n'est plus sur ce réseau.",
    ),
    "Name the container's own name server in its resolv.conf": (
        "Nommer le serveur de noms du conteneur dans son resolv.conf",
        "Les programmes du conteneur interrogent le serveur que nomme ce fichier : désormais celui qui connaît ses "
        "voisins.",
    ),
    "Replace the rules of an earlier name server": (
        "Remplacer les règles d'un serveur de noms précédent",
        "Des règles d'une exécution précédente sont encore dans ce namespace réseau : elles mènent à une socket "
        "fermée.",
    ),
    "Remove the temporary directory": (
        "Supprimer le répertoire temporaire",
        "Les fichiers sont reçus ou extraits dans un répertoire à part : ce qui est terminé a été déplacé, le reste "
        "disparaît.",
    ),
    "Write the index of images": (
        "Écrire l'index des images",
        "index.json énumère les images et leurs noms : une image existe dès qu'elle y figure.",
    ),
    "Write the result of the health check into the record": (
        "Inscrire le résultat du contrôle de santé dans la fiche",
        "Il n'y a pas de démon à interroger : ps et inspect lisent dans la fiche comment va le conteneur.",
    ),
    "Change the limits in the record": (
        "Modifier les limites dans la fiche",
        "Les limites de la fiche sont celles qu'aura le conteneur à son prochain démarrage.",
    ),
}  # fmt: skip

LABELS = {
    "no_step": "en dehors de toute étape",
    "again": "(suite)",
    "book": "livre",
    "code": "code",
    "shell": "shell",
    "see": "voir",
    "does_not_return": "... ne revient pas : le processus est désormais ce programme",
    "more": "... et {count} de plus",
    "names": "abrégé ci-dessous ; pour s'en servir dans un autre terminal :",
    "prompt": "[Entrée] étape {number}  [s NOM] aller à  [c] continuer  [q] tout défaire :",
    "unknown_step": "aucune étape n'a « {name} » dans son titre",
    "skipped_past": "aucune étape ne s'appelait « {name} »",
    "sum": "appels au noyau : {calls}, étapes : {steps}, processus : {processes}",
    "lost": "un appel trop long pour être raconté ({size} octets)",
    "not_steppable": "il n'y a pas de terminal où attendre : on continue sans s'arrêter",
    "by_hand":
        "Un conteneur à la main : il faut être root et avoir util-linux et iproute2, ainsi que nft s'il y a des "
        "règles.",
    "another_id": "un autre identifiant permet de l'exécuter à côté de l'original",
    "as_host_sees": "tel que le voit l'hôte : proc est encore celui de l'hôte",
    "from_outside": "ce qui se fait de l'extérieur, une fois les namespaces créés",
    "until_buried": "le temps que le noyau enterre le dernier processus",
    "no_device_rules":
        "les règles d'accès aux périphériques : un programme BPF, qu'aucune commande du shell ne fabrique",
    "no_filter": "le filtre d'appels système, qu'aucune commande du shell ne pose",
    "no_keyring": "un nouveau trousseau de session : keyctl session, si l'image avait cette commande",
    "needs_setpriv": "le setpriv de busybox ne sait pas le faire ; si l'image a util-linux, c'est fait",
}  # fmt: skip

PROCESSES = {
    "command": "la commande",
    "monitor": "le moniteur",
    "keeper": "le gardien de l'exec",
    "container": "le premier processus du conteneur",
    "exec": "le processus qui entre",
    "helper": "un aide",
}  # fmt: skip

SHORT = {"command": "commande", "monitor": "moniteur", "keeper": "gardien", "container": "conteneur", "exec": "exec",
         "helper": "aide"}  # fmt: skip
